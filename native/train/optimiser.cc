#include "train/optimiser.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "device/device.h"
#include "train/masked_step.h"

namespace coppice {
namespace {

constexpr int64_t kGrain = 32768;

// One clone per instruction set, chosen at load time: the arithmetic is a few operations per element.
#define COPPICE_SIMD_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))

COPPICE_SIMD_CLONES void step_range(const Arenas<float>& a, int64_t begin, int64_t end,
                                    const SgdRates<float>& rates) {
  for (int64_t i = begin; i < end; ++i) masked_step(a, i, rates);
}
COPPICE_SIMD_CLONES void step_range(const Arenas<double>& a, int64_t begin, int64_t end,
                                    const SgdRates<double>& rates) {
  for (int64_t i = begin; i < end; ++i) masked_step(a, i, rates);
}
COPPICE_SIMD_CLONES void step_range(const Arenas<float>& a, int64_t begin, int64_t end,
                                    const AdamRates<float>& rates) {
  for (int64_t i = begin; i < end; ++i) masked_step(a, i, rates);
}
COPPICE_SIMD_CLONES void step_range(const Arenas<double>& a, int64_t begin, int64_t end,
                                    const AdamRates<double>& rates) {
  for (int64_t i = begin; i < end; ++i) masked_step(a, i, rates);
}

template <class T, class Rates>
void step_cpu(const Arenas<T>& a, const Rates& rates) {
  at::parallel_for(0, a.count, kGrain, [&](int64_t begin, int64_t end) { step_range(a, begin, end, rates); });
}

template <class T>
SgdRates<T> rates_of(const SgdStep& step, const StepNumbers& now) {
  return {step, now};
}
template <class T>
AdamRates<T> rates_of(const AdamStep& step, const StepNumbers& now) {
  return {step, now};
}

template <class T, class Step>
void step_on(Network& network, const Step& step, const at::Tensor& numbers) {
  const Arenas<T> arenas{
      network.parameters.data_ptr<T>(), network.gradients.data_ptr<T>(),
      network.moment1.data_ptr<T>(),    network.moment2.defined() ? network.moment2.data_ptr<T>() : nullptr,
      network.mask.data_ptr<uint8_t>(), network.parameters.numel()};
  const auto* now = static_cast<const StepNumbers*>(numbers.const_data_ptr());
  on_device(
      network.device, [&] { step_cpu(arenas, rates_of<T>(step, *now)); },
      [&](void* stream) { COPPICE_CUDA_ONLY(masked_step_cuda(arenas, step, now, stream)); });
}

SgdStep step_of(const Sgd& sgd) { return {sgd.momentum, sgd.weight_decay, sgd.nesterov}; }
AdamStep step_of(const Adam& adam) { return {adam.beta1, adam.beta2, adam.epsilon, adam.weight_decay}; }

StepNumbers numbers_of(const Sgd&, double rate, int64_t) { return {rate, 1, 1}; }
StepNumbers numbers_of(const Adam& adam, double rate, int64_t steps_taken) {
  const auto t = static_cast<double>(steps_taken + 1);
  return {rate, 1 - std::pow(adam.beta1, t), std::sqrt(1 - std::pow(adam.beta2, t))};
}

}  // namespace

at::Tensor step_numbers(const Optimiser& optimiser, const std::vector<double>& learning_rates,
                        int64_t steps_taken, at::Device device) {
  static_assert(sizeof(StepNumbers) == 3 * sizeof(double));
  const auto steps = static_cast<int64_t>(learning_rates.size());
  at::Tensor numbers = at::empty({steps, 3}, at::kDouble);
  auto* rows = static_cast<StepNumbers*>(numbers.mutable_data_ptr());
  for (int64_t step = 0; step < steps; ++step)
    rows[step] = std::visit(
        [&](const auto& kind) { return numbers_of(kind, learning_rates[step], steps_taken + step); },
        optimiser);
  return numbers.to(device);
}

void make_moments(Network& network, const Optimiser& optimiser) {
  if (!network.moment1.defined()) network.moment1 = at::zeros_like(network.parameters);
  if (std::holds_alternative<Adam>(optimiser) && !network.moment2.defined())
    network.moment2 = at::zeros_like(network.parameters);
}

void optimiser_step(Network& network, const Optimiser& optimiser, const at::Tensor& numbers) {
  std::visit(
      [&](const auto& kind) {
        if (network.type == at::kDouble)
          step_on<double>(network, step_of(kind), numbers);
        else
          step_on<float>(network, step_of(kind), numbers);
      },
      optimiser);
}

double momentum_of(const Optimiser& optimiser) {
  return std::visit(Rule{[](const Sgd& sgd) { return sgd.momentum; }, [](const Adam&) { return 0.9; }},
                    optimiser);
}

}  // namespace coppice
