// The sparse-mask kernel: one pass over flat arenas does weight decay, momentum, the step and the mask, so that a
// pruned weight stays zero and its moments with it. Same formulas as PyTorch's SGD and Adam.
#pragma once
#include <cmath>
#include <cstdint>

#include "device/philox.h"

namespace coppice {

template <class T>
struct Arenas {
  T* parameters;
  const T* gradients;
  T* moment1;
  T* moment2;  ///< Adam only
  const uint8_t* mask;
  int64_t count;
};

struct SgdStep {
  double learning_rate, momentum, weight_decay;
  bool nesterov;
};

struct AdamStep {
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  double correction1, correction2;  ///< 1 − β₁ᵗ and √(1 − β₂ᵗ)
};

/// g ← gradient + decay·w;  m ← μ·m + g;  w ← w − rate·(nesterov ? g + μ·m : m);  both zero where pruned.
template <class T>
COPPICE_INLINE void masked_sgd(const Arenas<T>& a, int64_t i, T rate, T momentum, T decay, bool nesterov) {
  const T w = a.parameters[i];
  const T g = a.gradients[i] + decay * w;
  const T m = momentum * a.moment1[i] + g;
  const T direction = nesterov ? g + momentum * m : m;
  const bool keep = a.mask[i] != 0;
  a.moment1[i] = keep ? m : T(0);
  a.parameters[i] = keep ? w - rate * direction : T(0);
}

/// g ← gradient + decay·w;  m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  w ← w − rate/c₁ · m / (√v/c₂ + ε).
template <class T>
COPPICE_INLINE void masked_adam(const Arenas<T>& a, int64_t i, T rate, T beta1, T beta2, T epsilon, T decay, T root) {
  const T w = a.parameters[i];
  const T g = a.gradients[i] + decay * w;
  const T m = beta1 * a.moment1[i] + (T(1) - beta1) * g;
  const T v = beta2 * a.moment2[i] + (T(1) - beta2) * g * g;
  const bool keep = a.mask[i] != 0;
  a.moment1[i] = keep ? m : T(0);
  a.moment2[i] = keep ? v : T(0);
  a.parameters[i] = keep ? w - rate * m / (std::sqrt(v) / root + epsilon) : T(0);
}

#ifdef COPPICE_WITH_CUDA
void masked_step_cuda(const Arenas<float>& a, const SgdStep& step, void* stream);
void masked_step_cuda(const Arenas<double>& a, const SgdStep& step, void* stream);
void masked_step_cuda(const Arenas<float>& a, const AdamStep& step, void* stream);
void masked_step_cuda(const Arenas<double>& a, const AdamStep& step, void* stream);
#endif

}  // namespace coppice
