// The sparse-mask kernel: one pass over flat arenas does weight decay, momentum, the step and the mask, so
// that a pruned weight stays zero and its moments with it. Same formulas as PyTorch's SGD and Adam.
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

/// What changes from step to step, in the memory of the device, so that a recorded step can be replayed.
struct StepNumbers {
  double learning_rate;
  double correction1, correction2;  ///< Adam's 1 − β₁ᵗ and √(1 − β₂ᵗ)
};

struct SgdStep {
  double momentum, weight_decay;
  bool nesterov;
};

struct AdamStep {
  double beta1, beta2, epsilon, weight_decay;
};

/// The numbers of a step in the type of the parameters; differences are formed in double before they are
/// rounded.
template <class T>
struct SgdRates {
  COPPICE_INLINE SgdRates(const SgdStep& s, const StepNumbers& now)
      : rate(T(now.learning_rate)), momentum(T(s.momentum)), decay(T(s.weight_decay)), nesterov(s.nesterov) {}
  T rate, momentum, decay;
  bool nesterov;
};

template <class T>
struct AdamRates {
  COPPICE_INLINE AdamRates(const AdamStep& s, const StepNumbers& now)
      : rate(T(now.learning_rate / now.correction1)),
        beta1(T(s.beta1)),
        gain1(T(1 - s.beta1)),
        beta2(T(s.beta2)),
        gain2(T(1 - s.beta2)),
        epsilon(T(s.epsilon)),
        decay(T(s.weight_decay)),
        root(T(now.correction2)) {}
  T rate, beta1, gain1, beta2, gain2, epsilon, decay, root;
};

/// g ← gradient + decay·w;  m ← μ·m + g;  w ← w − rate·(nesterov ? g + μ·m : m);  both zero where pruned.
template <class T>
COPPICE_INLINE void masked_step(const Arenas<T>& a, int64_t i, const SgdRates<T>& r) {
  const T w = a.parameters[i];
  const T g = a.gradients[i] + r.decay * w;
  const T m = r.momentum * a.moment1[i] + g;
  const T direction = r.nesterov ? g + r.momentum * m : m;
  const bool keep = a.mask[i] != 0;
  a.moment1[i] = keep ? m : T(0);
  a.parameters[i] = keep ? w - r.rate * direction : T(0);
}

/// g ← gradient + decay·w;  m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  w ← w − rate/c₁ · m / (√v/c₂ + ε).
template <class T>
COPPICE_INLINE void masked_step(const Arenas<T>& a, int64_t i, const AdamRates<T>& r) {
  const T w = a.parameters[i];
  const T g = a.gradients[i] + r.decay * w;
  const T m = r.beta1 * a.moment1[i] + r.gain1 * g;
  const T v = r.beta2 * a.moment2[i] + r.gain2 * g * g;
  const bool keep = a.mask[i] != 0;
  a.moment1[i] = keep ? m : T(0);
  a.moment2[i] = keep ? v : T(0);
  a.parameters[i] = keep ? w - r.rate * m / (std::sqrt(v) / r.root + r.epsilon) : T(0);
}

#ifdef COPPICE_WITH_CUDA
void masked_step_cuda(const Arenas<float>& a, const SgdStep& step, const StepNumbers* now, void* stream);
void masked_step_cuda(const Arenas<double>& a, const SgdStep& step, const StepNumbers* now, void* stream);
void masked_step_cuda(const Arenas<float>& a, const AdamStep& step, const StepNumbers* now, void* stream);
void masked_step_cuda(const Arenas<double>& a, const AdamStep& step, const StepNumbers* now, void* stream);
#endif

}  // namespace coppice
