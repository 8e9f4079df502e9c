// Bounds of a network over a box of images: of every value of a node, or of the margins between logits.
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bounds/backward.h"
#include "bounds/methods.h"

namespace coppice {

struct BoundSettings {
  BoundMethod method;
  bool intersect = false;    ///< with interval bounds, at every node
  bool sound = true;         ///< widened by the rounding errors
  bool detach = false;       ///< no gradient through the denominator of the chord's slope
  int64_t memory = 1 << 29;  ///< bytes of coefficients held at once (device/device.h, memory_budget)
  int64_t iterations = 20;   ///< of optimised lines
};

/// A network to bound, with its weights as they are or folded, prepared for many passes. Batch norm is in
/// evaluation mode. Gradients flow to weights that require them, while they are recorded.
struct BoundNetwork {
  /// Interval bounds need no packed weights, only their magnitudes.
  BoundNetwork(const Graph& of, Weights with, const BoundMethod& method)
      : graph(of),
        weights(std::move(with)),
        packed(method.backward ? pack(graph, weights) : nullptr),
        sizes(!method.backward && !at::GradMode::is_enabled() ? sizes_of(graph, weights)
                                                              : std::vector<at::Tensor>()) {}
  const Graph& graph;
  Weights weights;
  Packed packed;
  std::vector<at::Tensor> sizes;  ///< |weight| of convolutions and linear nodes; empty where gradients flow
};

struct Margins {
  /// Lower bounds of logit of the label − other logit: [images, classes − 1], other classes in order, double.
  at::Tensor lower;
  /// Bound of the rounding errors that were subtracted in the margins' own pass; undefined unless sound.
  at::Tensor error;
  double unstable = 0;  ///< fraction of neurons before a ReLU, over all images
  double macs = 0;      ///< multiply-accumulates of all backward passes
};

/// Throws std::invalid_argument where the memory is too small for one neuron.
Margins margins(const BoundNetwork& network, const Range& box, const at::Tensor& labels,
                const BoundSettings& settings, const Interrupt& interrupt);

/// Bounds of every value of node `target`: [images, ...shape of the node]. Lines are not optimised here. No
/// gradients.
Range node_bounds(const BoundNetwork& network, const Range& box, int target, const BoundSettings& settings,
                  const Interrupt& interrupt);

}  // namespace coppice
