// Weights that are left, packed for the kernels on CUDA.
#pragma once
#include <vector>

#include "sparse/cuda/launch.h"
#include "sparse/stages.h"

namespace coppice::sparse::cuda {

/// Of groups of outputs: (input channel, tap) pairs in which any output of the group has a weight, as offsets
/// of their rows in the maps `input`, and the weights of all outputs there. Filled up to a multiple of kDepth
/// a group.
template <class T>
struct Columns {
  std::vector<int32_t> start, offsets;
  std::vector<T> weights;
};
/// As fragments for the tensor cores, or as [k][group].
template <class T>
Columns<T> pack_columns(const Product& product, const Maps<T>& input, int group, bool fragments);

/// Weights that are not zero, output by output, rounded to T.
struct Singles {
  std::vector<int32_t> start;
  std::vector<Entry> entries;
};
template <class T>
Singles pack_singles(const Product& product, const Maps<T>& input);

}  // namespace coppice::sparse::cuda
