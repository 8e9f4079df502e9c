#include "train/gradients.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <chrono>

namespace coppice {

GradientResult mean_gradients(Network& network, const Dataset& dataset, const GradientPlan& plan,
                              const Interrupt& interrupt, const std::function<void(int64_t)>& report) {
  const at::NoGradGuard no_grad;
  const auto started = std::chrono::steady_clock::now();
  const at::Tensor order = at::tensor(at::ArrayRef<int64_t>(plan.indices), at::kLong).to(network.device);
  const Weights trainable = network.trainable_weights();
  network.gradients.zero_();
  PassSettings settings = plan.settings;
  settings.learns = false;

  GradientResult result;
  const auto total = static_cast<int64_t>(plan.indices.size());
  for (int64_t begin = 0; begin < total; begin += plan.batch_size) {
    interrupt.between_batches();
    const int64_t size = std::min(plan.batch_size, total - begin);
    const Batch batch =
        make_batch(dataset, order.narrow(0, begin, size), std::nullopt, settings.key, network.type);
    settings.draw = begin;
    const BatchLoss pass = objective_loss(plan.objective, {network, trainable, batch, settings, interrupt});
    const double share = static_cast<double>(size) / static_cast<double>(total);
    torch::autograd::backward({pass.loss}, {at::full_like(pass.loss, share)});
    result.loss += share * pass.loss.item<double>();
    report(begin + size);
  }
  result.gradients = network.gradients.to(at::kCPU, network.type, false, /*copy=*/true);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

}  // namespace coppice
