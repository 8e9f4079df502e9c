#include "attack/target.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "graph/forward.h"

namespace coppice {

at::Tensor cross_entropies(const at::Tensor& logits, const at::Tensor& labels) {
  return at::cross_entropy_loss(logits, labels, {}, at::Reduction::None);
}

Target::Slope Target::slope(const at::Tensor& images) const {
  const at::AutoGradMode enabled(true);
  const at::Tensor input = images.detach().requires_grad_();
  const at::Tensor losses = loss(forward(network, input));
  const at::Tensor gradient = torch::autograd::grad({losses.sum()}, {input})[0];
  return {losses.detach(), gradient.to(images.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast)};
}

}  // namespace coppice
