// A graph with its numbers: parameters, gradients, moments and mask in flat arenas that never move.
#pragma once
#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace coppice {

/// The tensors of one node, as forward passes need them; undefined where a node has none. For `normalize`,
/// weight and bias are the constants std and mean, shaped [channels, 1, 1].
struct NodeWeights {
  at::Tensor weight, bias;
  at::Tensor mean, variance;  ///< running statistics of batch norm
  /// Of a folded convolution, for rounding bounds: magnitude of what its bias adds up and may cancel, as far
  /// as its rounding in float64 matters beside `type`'s, [channels].
  at::Tensor cancelled;
  /// Likewise: the least magnitude of a weight of each channel, [channels, 1, 1, 1].
  at::Tensor least;
};
using Weights = std::vector<NodeWeights>;

struct Network {
  /// Allocates all arenas but the moments and the average. `type` is float32 or float64.
  Network(Graph graph, at::Device device, at::ScalarType type);

  Graph graph;
  at::Device device;
  at::ScalarType type;
  at::Tensor parameters, gradients, buffers;
  at::Tensor moment1, moment2;  ///< allocated with the first step that needs them
  at::Tensor average;           ///< likewise: the mean of the parameters over the last steps
  at::Tensor mask;              ///< uint8; 0 marks a pruned parameter
  Weights constants;            ///< of `normalize` nodes

  /// Views of the arenas by node. No gradients flow.
  Weights weights() const;
  /// The same as autograd leaves whose gradients accumulate in the gradient arena.
  Weights trainable_weights() const;
  /// A view of one tensor in an arena laid out like parameters (or buffers, for statistics).
  at::Tensor view(const at::Tensor& arena, const TensorInfo& info) const;

  /// Draws every parameter anew; resets statistics, moments and mask. The same seed gives the same bits
  /// everywhere.
  void initialise(uint64_t seed);
  /// Sets the moments and the average to zero.
  void reset_moments();
  /// Sets pruned parameters, their moments and their average to zero.
  void enforce_mask();
  /// Bytes of all arenas.
  int64_t bytes() const;
};

/// A network in evaluation mode prepared for many passes: batch norms that follow a convolution alone are
/// folded into it, weights have the type of the arithmetic and the layout that convolutions prefer.
struct Folded {
  Graph graph;
  Weights weights;
  at::ScalarType compute;
};

struct FoldOptions {
  bool batch_norm = true;   ///< off: weights are only cast
  bool for_bounds = false;  ///< with what rounding bounds need, `cancelled` and `least`
};

/// y = (conv(x) − mean) · scale / √(variance + ε) + shift, folded in float64.
Folded fold(const Network& network, at::ScalarType compute, const FoldOptions& options = {});

}  // namespace coppice
