#include "train/loop.h"

#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cmath>

#include "train/learned_scores.h"

namespace coppice {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kReportEvery = std::chrono::milliseconds(50);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

TrainResult train(Network& network, const Dataset& dataset, const TrainPlan& plan, const Interrupt& interrupt,
                  const std::function<void(const TrainProgress&)>& report) {
  const at::NoGradGuard no_grad;
  const auto started = Clock::now();
  const int64_t planned = plan.steps();
  const auto total = static_cast<int64_t>(plan.order.size());
  const at::Tensor order = at::tensor(at::ArrayRef<int64_t>(plan.order), at::kLong).to(network.device);
  // Losses and hits stay on the device until somebody looks.
  const at::Tensor losses =
      at::zeros({planned}, at::TensorOptions().device(network.device).dtype(at::kDouble));
  const at::Tensor correct = at::zeros({}, at::TensorOptions().device(network.device).dtype(at::kLong));

  std::optional<ScoreLearner> learner;
  if (plan.learn_scores) learner.emplace(network, *plan.learn_scores);

  TrainResult result;
  auto reported = started;
  int64_t seen = 0;
  // Reads the losses since the last look; the only place where the host waits for the device.
  const auto look = [&] {
    if (seen == result.steps) return;
    const at::Tensor recent = losses.narrow(0, seen, result.steps - seen).cpu();
    const double* values = recent.const_data_ptr<double>();
    double sum = 0;
    for (int64_t i = 0; i < recent.numel(); ++i) {
      if (!std::isfinite(values[i]))
        throw DivergenceError("the loss became " + std::string(std::isnan(values[i]) ? "NaN" : "infinite") +
                              " at step " + std::to_string(seen + i + 1) +
                              "; a smaller learning rate or a slower epsilon ramp helps");
      result.losses.push_back(values[i]);
      sum += values[i];
    }
    report({result.steps, result.samples, sum / static_cast<double>(recent.numel())});
    seen = result.steps;
    reported = Clock::now();
  };

  while (result.steps < planned && !interrupt.paused) {
    interrupt.between_batches();
    const int64_t begin = result.steps * plan.batch_size;
    const int64_t size = std::min(plan.batch_size, total - begin);
    if (learner) learner->apply();
    const Batch batch =
        make_batch(dataset, order.narrow(0, begin, size), plan.augmentation, plan.key, network.type);
    network.gradients.zero_();
    const Weights trainable = network.trainable_weights();
    const PassSettings settings{plan.compute,
                                plan.key,
                                plan.epsilon_factors[result.steps],
                                plan.clean_weights[result.steps],
                                plan.robust_weights[result.steps],
                                plan.order[begin]};
    const BatchLoss pass = objective_loss(plan.objective, {network, trainable, batch, settings, interrupt});
    torch::autograd::backward({pass.loss}, {});

    const double rate = plan.learning_rates[result.steps];
    if (learner)
      learner->step(rate, momentum_of(plan.optimiser));
    else
      optimiser_step(network, plan.optimiser, rate, plan.steps_taken + result.steps);
    losses.select(0, result.steps).copy_(pass.loss.detach());
    correct.add_(pass.logits.detach().argmax(1).eq(batch.labels).sum());
    ++result.steps;
    result.samples += size;
    if (Clock::now() - reported >= kReportEvery) look();
  }
  look();
  result.correct = correct.item<int64_t>();
  if (learner) result.scores = learner->scores().cpu();
  result.seconds = seconds_since(started);
  return result;
}

}  // namespace coppice
