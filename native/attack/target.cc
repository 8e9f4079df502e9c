#include "attack/target.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "graph/forward.h"

namespace coppice {

at::Tensor cross_entropies(const at::Tensor& logits, const at::Tensor& labels) {
  return at::cross_entropy_loss(logits, labels, {}, at::Reduction::None);
}

Target::Slope Target::slope(const at::Tensor& images) const {
  const at::NoGradGuard no_grad;
  std::optional<Tape> own;
  Tape& steps = tape ? *tape : own.emplace(network);
  const at::Tensor logits = steps.forward(images).requires_grad_();
  const auto [losses, seed] = [&] {
    const at::AutoGradMode enabled(true);
    const at::Tensor values = loss(logits);
    return std::pair(values.detach(), torch::autograd::grad({values.sum()}, {logits})[0]);
  }();
  return {losses, steps.backward(seed)};
}

Target::Slope Target::slope_by_autograd(const at::Tensor& images) const {
  const at::AutoGradMode enabled(true);
  const at::Tensor input = images.detach().requires_grad_();
  const at::Tensor losses = loss(coppice::forward(network, input));
  const at::Tensor gradient = torch::autograd::grad({losses.sum()}, {input})[0];
  return {losses.detach(), gradient.to(images.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast)};
}

}  // namespace coppice
