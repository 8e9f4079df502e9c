#include "addon/read_common.h"

namespace coppice {
namespace {

constexpr std::pair<const char*, at::ScalarType> kTypes[] = {{"float32", at::kFloat},
                                                             {"float64", at::kDouble}};

void require_fit(const Network& network, const Dataset& dataset) {
  const auto& input = network.graph.input;
  const auto shape = dataset.images.sizes().slice(1);
  if (shape[0] != input[0] || shape[1] != input[1] || shape[2] != input[2])
    throw std::invalid_argument(
        "the data set's images are [" + std::to_string(shape[0]) + ", " + std::to_string(shape[1]) + ", " +
        std::to_string(shape[2]) + "], the network '" + network.graph.name + "' takes [" +
        std::to_string(input[0]) + ", " + std::to_string(input[1]) + ", " + std::to_string(input[2]) + "]");
  if (dataset.classes > network.graph.classes)
    throw std::invalid_argument("the data set has " + std::to_string(dataset.classes) +
                                " classes, the network '" + network.graph.name + "' tells " +
                                std::to_string(network.graph.classes) + " apart");
  if (dataset.images.device() != network.device)
    throw std::invalid_argument("the data set is on " + dataset.images.device().str() +
                                " and the network on " + network.device.str());
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

std::vector<int64_t> read_indices(const Reader& array, const Network& network, const Dataset& dataset) {
  require_fit(network, dataset);
  const std::vector<uint32_t> values = array.uint32s();
  const int64_t length = dataset.images.size(0);
  for (const uint32_t value : values)
    if (value >= length)
      throw std::invalid_argument(array.path() + " names sample " + std::to_string(value) +
                                  " of a data set of " + std::to_string(length));
  return {values.begin(), values.end()};
}

}  // namespace coppice
