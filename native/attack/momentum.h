// The step of APGD; one function per element, shared by CPU and CUDA.
#pragma once
#include "attack/ascent.h"

namespace coppice {

/// z = a step along the sign of the gradient, projected onto the box; then x + momentum·(z − x) + (1 −
/// momentum)·(x − previous), projected again (Croce and Hein, 2020a, section 3). In place, `previous` becomes
/// what x was. Rows of `size` values.
template <class T>
struct MomentumStep {
  T* x;
  T* previous;
  const T* images;
  const T* gradient;
  const T* steps;  ///< of each row
  int64_t count, size;
  T epsilon, momentum;
};

template <class T>
COPPICE_FORCED_INLINE void momentum_element(const MomentumStep<T>& s, T step, int64_t i) {
  const T x = s.x[i], low = s.images[i] - s.epsilon, high = s.images[i] + s.epsilon;
  const T sign = static_cast<T>((s.gradient[i] > T(0)) - (s.gradient[i] < T(0)));
  const T z = clip(clip(x + step * sign, low, high), T(0), T(1));
  const T moved = x + s.momentum * (z - x) + (T(1) - s.momentum) * (x - s.previous[i]);
  s.previous[i] = x;
  s.x[i] = clip(clip(moved, low, high), T(0), T(1));
}

#ifdef COPPICE_WITH_CUDA
void momentum_step_cuda(const MomentumStep<float>& s, void* stream);
void momentum_step_cuda(const MomentumStep<double>& s, void* stream);
#endif

}  // namespace coppice
