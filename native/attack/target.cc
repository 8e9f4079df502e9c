#include "attack/target.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "graph/forward.h"

namespace coppice {

Target::Slope Target::slope(const at::Tensor& images, const ImageLoss& of) const {
  const at::NoGradGuard no_grad;
  std::optional<Tape> own;
  Tape& steps = tape ? *tape : own.emplace(network);
  const at::Tensor logits = steps.forward(images).requires_grad_();
  const auto [losses, seed] = [&] {
    const at::AutoGradMode enabled(true);
    const at::Tensor values = of(logits);
    return std::pair(values.detach(), torch::autograd::grad({values.sum()}, {logits})[0]);
  }();
  return {losses, steps.backward(seed), logits.detach()};
}

Target::Slope Target::slope_by_autograd(const at::Tensor& images) const {
  const at::AutoGradMode enabled(true);
  const at::Tensor input = images.detach().requires_grad_();
  const at::Tensor logits = coppice::forward(network, input);
  const at::Tensor losses = loss(logits);
  const at::Tensor gradient = torch::autograd::grad({losses.sum()}, {input})[0];
  return {losses.detach(), gradient.to(images.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast),
          logits.detach()};
}

at::Tensor Target::logits(const at::Tensor& images) const {
  const at::NoGradGuard no_grad;
  return Tape(network).forward(images);
}

at::Tensor Target::judged(const at::Tensor& images) const {
  const at::NoGradGuard no_grad;
  if (judge == nullptr) return logits(images);
  return coppice::forward(judge->graph, judge->weights(), images, network.compute,
                          BatchNormMode::kEvaluation);
}

at::Tensor Target::next_likeliest(int64_t which) const {
  const at::Tensor others =
      logits(batch.images).scatter(1, batch.labels.unsqueeze(1), -std::numeric_limits<double>::infinity());
  return others.argsort(/*stable=*/true, 1, /*descending=*/true).select(1, which).contiguous();
}

}  // namespace coppice
