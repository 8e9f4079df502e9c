// What several requests have (bindings/native.ts states the form of all of them).
#pragma once
#include <vector>

#include "addon/reader.h"
#include "data/dataset.h"
#include "device/limits.h"
#include "graph/network.h"

namespace coppice {

at::ScalarType read_type(const Reader& type);
/// The type of activations; checks that it goes with the network's.
at::ScalarType read_precision(const Reader& precision, const Network& network);
uint64_t read_seed(const Reader& seed);
/// What classifies a data set's images.
struct Classifying {
  std::string name;
  std::array<int64_t, 3> input;  ///< [channels, height, width]
  int64_t classes;
  at::Device device;
};
Classifying classifying(const Network& network);
/// Sample indices, each within the data set. Checks that the data set goes with what classifies it.
std::vector<int64_t> read_indices(const Reader& array, const Classifying& taker, const Dataset& dataset);

}  // namespace coppice
