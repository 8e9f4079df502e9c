// Weights in the order that the fp32 kernels of the backward bound pass read them.
#pragma once
#include <memory>
#include <vector>

#include "bounds/transposed_convolution.h"
#include "graph/network.h"

namespace coppice {

struct PackedNode {
  PackedWeight weight;  ///< of a convolution; of a linear node as a convolution of one pixel
  at::Tensor rows;      ///< [outputs, inputs of one output]: what each output starts a backward pass with
  /// Of a flatten whose readers are all linear: its values are taken pixel by pixel, which is how maps lie in
  /// memory, and the readers' weights are ordered alike.
  bool by_pixel = false;
};

/// One entry for each node; null where the weights are not fp32 on the CPU.
using Packed = std::shared_ptr<const std::vector<PackedNode>>;
Packed pack(const Graph& graph, const Weights& weights);

}  // namespace coppice
