// Max pooling at one place, for some channels at once; shared by CPU and CUDA.
#pragma once
#include <c10/util/BFloat16.h>

#include <cstdint>

#include "device/philox.h"

namespace coppice {

// Loops over lanes are unrolled before they are vectorised, and not vectorised then, unless they are told.
#if defined(__GNUC__) && !defined(__CUDACC__)
#define COPPICE_LANES _Pragma("omp simd simdlen(16)")
#else
#define COPPICE_LANES
#endif

/// Of a place's winner where ReLU gives 0, so that no gradient flows.
inline constexpr int kNoWinner = 255;

/// Sizes of a pooling of x, [n, height, width, channels], to [n, rows, columns, channels].
struct PoolShape {
  int64_t n, height, width, channels, rows, columns, kernel, stride;
};

template <class T>
struct Pooling {
  PoolShape shape;
  const T* x;
  T* values;
  uint8_t* winners;  ///< which place of its window each value comes from, or kNoWinner
  bool relu;
};

template <class T>
struct PoolingGradient {
  PoolShape shape;
  const T* gradient;  ///< with respect to the values
  const uint8_t* winners;
  T* out;  ///< with respect to x
};

/// What numbers of type T are compared and added up in.
template <class T>
struct Wide {
  using type = float;
};
template <>
struct Wide<double> {
  using type = double;
};

/// The value at one place of the output, for channels [channel, channel + W). Of equals the first wins,
/// and NaN wins.
template <int W, class T>
COPPICE_FORCED_INLINE void pool_block(const Pooling<T>& p, int64_t image, int64_t row, int64_t column,
                                      int64_t channel) {
  using V = typename Wide<T>::type;
  const PoolShape& s = p.shape;
  const T* first =
      p.x + ((image * s.height + row * s.stride) * s.width + column * s.stride) * s.channels + channel;
  V best[W];
  int32_t winner[W];
  COPPICE_LANES
  for (int i = 0; i < W; ++i) best[i] = static_cast<V>(first[i]), winner[i] = 0;
  int32_t place = 0;
  for (int64_t y = 0; y < s.kernel; ++y)
    for (int64_t x = 0; x < s.kernel; ++x, ++place) {
      const T* here = first + (y * s.width + x) * s.channels;
      COPPICE_LANES
      for (int i = 0; i < W; ++i) {
        const V value = static_cast<V>(here[i]);
        const bool better = value > best[i] || value != value;
        winner[i] = better ? place : winner[i];
        best[i] = better ? value : best[i];
      }
    }
  const int64_t out = ((image * s.rows + row) * s.columns + column) * s.channels + channel;
  COPPICE_LANES
  for (int i = 0; i < W; ++i) {
    const bool off = p.relu && best[i] <= V(0);
    p.values[out + i] = static_cast<T>(off ? V(0) : best[i]);
    p.winners[out + i] = static_cast<uint8_t>(off ? kNoWinner : winner[i]);
  }
}

/// The windows, along one direction, that a place of the input is in.
struct Windows {
  int64_t begin, end;
};

COPPICE_FORCED_INLINE Windows windows_at(int64_t place, int64_t count, const PoolShape& s) {
  const int64_t last = place / s.stride + 1;
  return {place < s.kernel ? 0 : (place - s.kernel) / s.stride + 1, last < count ? last : count};
}

/// The gradient at one place (y, x) of the input: of every window that it is in, where it wins.
template <int W, class T>
COPPICE_FORCED_INLINE void pool_gradient_block(const PoolingGradient<T>& p, int64_t image, int64_t y,
                                               Windows rows, int64_t x, Windows columns, int64_t channel) {
  using V = typename Wide<T>::type;
  const PoolShape& s = p.shape;
  V sum[W];
  COPPICE_LANES
  for (int i = 0; i < W; ++i) sum[i] = V(0);
  for (int64_t row = rows.begin; row < rows.end; ++row)
    for (int64_t column = columns.begin; column < columns.end; ++column) {
      const auto place = static_cast<int32_t>((y - row * s.stride) * s.kernel + x - column * s.stride);
      const int64_t from = ((image * s.rows + row) * s.columns + column) * s.channels + channel;
      // Values are loaded first, so that adding them up is no conditional load, which is not vectorised.
      V value[W];
      int32_t winner[W];
      COPPICE_LANES
      for (int i = 0; i < W; ++i)
        value[i] = static_cast<V>(p.gradient[from + i]), winner[i] = p.winners[from + i];
      COPPICE_LANES
      for (int i = 0; i < W; ++i) sum[i] += winner[i] == place ? value[i] : V(0);
    }
  T* out = p.out + ((image * s.height + y) * s.width + x) * s.channels + channel;
  COPPICE_LANES
  for (int i = 0; i < W; ++i) out[i] = static_cast<T>(sum[i]);
}

#ifdef COPPICE_WITH_CUDA
void pool_cuda(const Pooling<float>& p, void* stream);
void pool_cuda(const Pooling<double>& p, void* stream);
void pool_cuda(const Pooling<c10::BFloat16>& p, void* stream);
void pool_gradient_cuda(const PoolingGradient<float>& p, void* stream);
void pool_gradient_cuda(const PoolingGradient<double>& p, void* stream);
void pool_gradient_cuda(const PoolingGradient<c10::BFloat16>& p, void* stream);
#endif

}  // namespace coppice
