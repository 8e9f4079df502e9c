#include "train/loop.h"

#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cmath>

#include "train/crew.h"

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
  std::optional<Crew> crew;
  if (!plan.more_devices.empty()) crew.emplace(network, dataset, plan, interrupt);
  Worker worker(network, dataset, plan, interrupt, crew ? &crew->group() : nullptr);

  TrainResult result;
  auto reported = started;
  int64_t seen = 0;
  // Reads the losses since the last look; the only place where the host waits for the device.
  const auto look = [&] {
    if (seen == result.steps) return;
    const at::Tensor recent = worker.losses().narrow(0, seen, result.steps - seen).cpu();
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
    try {
      if (crew) crew->begin(result.steps);
      worker.step(result.steps);
    } catch (const GroupBroken&) {
      crew->rethrow();
      throw;
    }
    ++result.steps;
    result.samples = std::min(total, result.steps * plan.batch_size);
    if (Clock::now() - reported >= kReportEvery) look();
  }
  if (crew) crew->end();
  look();
  result.replayed = worker.replayed();
  result.correct = worker.correct().item<int64_t>();
  if (const at::Tensor scores = worker.scores(); scores.defined()) result.scores = scores.cpu();
  result.seconds = seconds_since(started);
  return result;
}

}  // namespace coppice
