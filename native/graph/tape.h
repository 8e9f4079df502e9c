// A network in evaluation mode as a list of steps: logits, and their gradient with respect to the images,
// without autograd. What an attack does dozens of times for each batch.
#pragma once
#include <ATen/ATen.h>

#include <vector>

#include "graph/network.h"

namespace coppice {

/// Each step is an operation with what can be done on its output at once: adding a residual, ReLU, max
/// pooling. Results are those of `forward` and of autograd through it, but for rounding: where a device has
/// fused forms, they are used. Nothing waits for the device, and the same steps follow for every batch, so
/// that passes can be recorded.
class Tape {
 public:
  /// Weights are shared with `network`, not copied.
  explicit Tape(const Folded& network);

  /// Logits [n, classes], in fp32 at least, of pixels in [0,1], [n, channels, height, width], channels last.
  /// Keeps what `backward` reads.
  at::Tensor forward(const at::Tensor& images);

  /// The gradient of sum(seed * logits) with respect to the images of the last forward pass, in their type,
  /// channels last. Once after each forward pass, whose values it frees.
  at::Tensor backward(const at::Tensor& seed);

 private:
  struct Step {
    int base;           ///< the node whose operation it begins with
    int residual = -1;  ///< the node whose value is added
    bool relu = false;
    int pool = -1;  ///< the node of the max pool that it ends with
    int output;     ///< the node whose value it gives
  };

  Step step_at(int base, const std::vector<int>& sole_readers) const;
  at::Tensor apply(const Step& step);
  /// Adds the gradients with respect to the inputs of a step to those of nodes, the image's behind them.
  void pull(const Step& step, at::Tensor gradient, std::vector<at::Tensor>& gradients) const;
  at::Tensor input(const Node& node, size_t which) const;

  const Graph& graph_;
  const Weights& weights_;
  at::ScalarType compute_;
  std::vector<Step> steps_;
  std::vector<at::Tensor> scales_;  ///< of batch norms that stay, by node
  // What a forward pass leaves for the backward pass, by node.
  std::vector<at::Tensor> values_, winners_;
  at::Tensor images_;
};

}  // namespace coppice
