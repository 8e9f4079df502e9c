#include "addon/read_common.h"

namespace coppice {
namespace {

constexpr std::pair<const char*, at::ScalarType> kTypes[] = {{"float32", at::kFloat},
                                                             {"float64", at::kDouble}};

std::string shape_text(const std::array<int64_t, 3>& shape) {
  return "[" + std::to_string(shape[0]) + ", " + std::to_string(shape[1]) + ", " + std::to_string(shape[2]) +
         "]";
}

void require_fit(const Classifying& taker, const Dataset& dataset) {
  const auto sizes = dataset.images.sizes();
  const std::array<int64_t, 3> shape{sizes[1], sizes[2], sizes[3]};
  if (shape != taker.input)
    throw std::invalid_argument("the data set's images are " + shape_text(shape) + ", " + taker.name +
                                " takes " + shape_text(taker.input));
  if (dataset.classes > taker.classes)
    throw std::invalid_argument("the data set has " + std::to_string(dataset.classes) + " classes, " +
                                taker.name + " tells " + std::to_string(taker.classes) + " apart");
  if (dataset.images.device() != taker.device)
    throw std::invalid_argument("the data set is on " + dataset.images.device().str() + " and " + taker.name +
                                " on " + taker.device.str());
}

}  // namespace

at::ScalarType read_type(const Reader& type) { return type.one_of(kTypes); }

at::ScalarType read_precision(const Reader& precision, const Network& network) {
  const std::string name = precision.text();
  if (name != "fp32" && name != "bf16" && name != "fp64") precision.refuse("fp32, bf16 or fp64");
  if ((name == "fp64") != (network.type == at::kDouble))
    throw std::invalid_argument(precision.path() +
                                ": fp64 goes with a float64 network and only with it, got " + name);
  return name == "bf16" ? at::kBFloat16 : network.type;
}

uint64_t read_seed(const Reader& seed) { return static_cast<uint64_t>(seed.integer(0, int64_t{1} << 53)); }

Classifying classifying(const Network& network) {
  return {"the network '" + network.graph.name + "'", network.graph.input, network.graph.classes,
          network.device};
}

std::vector<int64_t> read_indices(const Reader& array, const Classifying& taker, const Dataset& dataset) {
  require_fit(taker, dataset);
  const std::vector<uint32_t> values = array.uint32s();
  const int64_t length = dataset.images.size(0);
  for (const uint32_t value : values)
    if (value >= length)
      throw std::invalid_argument(array.path() + " names sample " + std::to_string(value) +
                                  " of a data set of " + std::to_string(length));
  return {values.begin(), values.end()};
}

}  // namespace coppice
