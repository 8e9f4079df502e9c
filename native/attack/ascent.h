// The kernels of projected gradient ascent; one function per element, shared by CPU and CUDA.
#pragma once
#include "device/philox.h"

namespace coppice {

enum class Start { kNone, kUniform, kGaussian };

/// Random starts. Image n of `size` elements uses the numbers of sample indices[n], so that they do not
/// depend on its place in the batch.
template <class T>
struct RandomStart {
  const T* images;
  const int64_t* indices;
  T* out;
  int64_t batch, size;
  T epsilon;  ///< of the uniform start; the Gaussian's deviation is 0.001 (Zhang et al., "TRADES", 2019)
  Start start;
  uint64_t seed;
  uint32_t epoch, restart;
};

template <class T>
COPPICE_INLINE T clip(T value, T low, T high) {
  return value < low ? low : (value > high ? high : value);
}

/// Fills four consecutive elements of image n, starting at 4·block.
template <class T>
COPPICE_INLINE void start_block(const RandomStart<T>& s, int64_t n, int64_t block) {
  const uint64_t sample = static_cast<uint64_t>(s.indices[n]);
  const Random4 bits = philox(
      s.seed ^ (uint64_t{s.restart} << 40), static_cast<uint32_t>(block), static_cast<uint32_t>(sample),
      s.epoch, static_cast<uint32_t>(Purpose::kStart) | static_cast<uint32_t>(sample >> 32) << 8);
  float noise[4];
  if (s.start == Start::kGaussian) {
    to_normal(bits.v[0], bits.v[1], noise[0], noise[1]);
    to_normal(bits.v[2], bits.v[3], noise[2], noise[3]);
    for (float& value : noise) value *= 0.001f;
  } else {
    for (int lane = 0; lane < 4; ++lane)
      noise[lane] = static_cast<float>(s.epsilon) * (2.0f * to_unit(bits.v[lane]) - 1.0f);
  }
  for (int lane = 0; lane < 4 && 4 * block + lane < s.size; ++lane) {
    const int64_t i = n * s.size + 4 * block + lane;
    s.out[i] = clip(s.images[i] + static_cast<T>(noise[lane]), T(0), T(1));
  }
}

/// One step in place: x ← clip(clip(x + step·sign(gradient), image ± ε), [0,1]) (Madry et al., 2018).
template <class T>
struct AscentStep {
  T* x;
  const T* images;
  const T* gradient;
  int64_t count;
  T step, epsilon;
};

template <class T>
COPPICE_INLINE T ascend_element(T x, T image, T gradient, T step, T epsilon) {
  const T sign = static_cast<T>((gradient > T(0)) - (gradient < T(0)));
  const T moved = clip(x + step * sign, image - epsilon, image + epsilon);
  return clip(moved, T(0), T(1));
}

#ifdef COPPICE_WITH_CUDA
void random_start_cuda(const RandomStart<float>& s, void* stream);
void random_start_cuda(const RandomStart<double>& s, void* stream);
void ascent_step_cuda(const AscentStep<float>& s, void* stream);
void ascent_step_cuda(const AscentStep<double>& s, void* stream);
#endif

}  // namespace coppice
