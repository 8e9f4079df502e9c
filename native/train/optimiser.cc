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
SgdRates<T> rates_of(const SgdStep& step) {
  return SgdRates<T>(step);
}
template <class T>
AdamRates<T> rates_of(const AdamStep& step) {
  return AdamRates<T>(step);
}

template <class T, class Step>
void step_on(Network& network, const Step& step) {
  const Arenas<T> arenas{
      network.parameters.data_ptr<T>(), network.gradients.data_ptr<T>(),
      network.moment1.data_ptr<T>(),    network.moment2.defined() ? network.moment2.data_ptr<T>() : nullptr,
      network.mask.data_ptr<uint8_t>(), network.parameters.numel()};
  on_device(
      network.device, [&] { step_cpu(arenas, rates_of<T>(step)); },
      [&](void* stream) { COPPICE_CUDA_ONLY(masked_step_cuda(arenas, step, stream)); });
}

template <class Step>
void step_with(Network& network, const Step& step) {
  if (network.type == at::kDouble)
    step_on<double>(network, step);
  else
    step_on<float>(network, step);
}

void take_step(Network& network, const Sgd& sgd, double rate, int64_t) {
  step_with(network, SgdStep{rate, sgd.momentum, sgd.weight_decay, sgd.nesterov});
}

void take_step(Network& network, const Adam& adam, double rate, int64_t steps_taken) {
  if (!network.moment2.defined()) network.moment2 = at::zeros_like(network.parameters);
  const auto t = static_cast<double>(steps_taken + 1);
  step_with(network, AdamStep{rate, adam.beta1, adam.beta2, adam.epsilon, adam.weight_decay,
                              1 - std::pow(adam.beta1, t), std::sqrt(1 - std::pow(adam.beta2, t))});
}

}  // namespace

void optimiser_step(Network& network, const Optimiser& optimiser, double learning_rate, int64_t steps_taken) {
  if (!network.moment1.defined()) network.moment1 = at::zeros_like(network.parameters);
  std::visit([&](const auto& kind) { take_step(network, kind, learning_rate, steps_taken); }, optimiser);
}

double momentum_of(const Optimiser& optimiser) {
  return std::visit(Rule{[](const Sgd& sgd) { return sgd.momentum; }, [](const Adam&) { return 0.9; }},
                    optimiser);
}

}  // namespace coppice
