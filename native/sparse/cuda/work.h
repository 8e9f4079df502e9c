// What the kernels for batches on CUDA are told: a stage's numbers and where its values lie. Plain data for
// host and device.
//
// A value is [channels][height + 2 border][width + 2 border][images], the number of images a multiple of 64:
// an operand of a convolution, (channel, tap, position), is a contiguous row of images, and zeros stand
// around each map. Offsets count such rows, so that they are the same for every number of images.
#pragma once
#include <cstdint>
#include <cstring>

#include "device/philox.h"  // COPPICE_INLINE

namespace coppice::sparse::cuda {

/// Images of a batch are a multiple of this.
inline constexpr int kImages = 64;
/// Columns of a group are a multiple of this: two steps of the tensor cores. Added ones have zero weights.
inline constexpr int kDepth = 32;

struct Bf16 {
  uint16_t bits;
};

COPPICE_INLINE float to_float(float value) { return value; }
COPPICE_INLINE float to_float(Bf16 value) {
  const uint32_t word = static_cast<uint32_t>(value.bits) << 16;
  float result;
  memcpy(&result, &word, sizeof result);
  return result;
}
COPPICE_INLINE void from_float(float value, float& result) { result = value; }
/// To the nearest, ties to even, as the CPU's kernels round.
COPPICE_INLINE void from_float(float value, Bf16& result) {
  uint32_t word;
  memcpy(&word, &value, sizeof word);
  result.bits = static_cast<uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
}

template <class T>
struct Maps {
  T* data;  ///< null for a value that a stage does not have
  int channels, height, width, border;
  COPPICE_INLINE int row() const { return width + 2 * border; }
  COPPICE_INLINE int map() const { return (height + 2 * border) * row(); }
  /// The row of images of a position; y and x may lie in the border.
  COPPICE_INLINE int at(int channel, int y, int x) const {
    return channel * map() + (y + border) * row() + x + border;
  }
};

/// A weight that is left, and the row of its operand counted from that of a position's first tap.
struct Entry {
  int32_t offset;
  float weight;
};

/// One stage (see Stage), or the way of images in and of logits out.
template <class T>
struct Work {
  Maps<T> input, output, residual, raw;
  int images;
  int height, width;  ///< before pooling
  int stride, padding, kernel_height, kernel_width;
  const float *bias, *scale, *shift;  ///< per output, or null
  bool relu, max_pool;
  int pool, pool_stride;  ///< side of the windows, or 1; after a product 1 or 2, and the stride is the same

  const T* dense;          ///< [outputs][inputs][kernel_height][kernel_width], for the reference
  const int32_t* start;    ///< of each group's columns (or output's entries), and the end
  const int32_t* offsets;  ///< of columns
  const T* weights;        ///< of columns: [k][outputs of a group], or fragments (see fragments.h)
  const Entry* entries;
  int group;  ///< outputs that share columns

  float* floats;  ///< images [count][channels][height][width] or logits [count][classes]
  int count;
};

/// Neighbouring images, read and written at once.
template <class T, int kVector>
struct alignas(sizeof(T) * kVector) Neighbours {
  T of[kVector];
};
template <int kVector, class T>
COPPICE_INLINE void load(const T* from, float* values) {
  const auto all = *reinterpret_cast<const Neighbours<T, kVector>*>(from);
  for (int i = 0; i < kVector; ++i) values[i] = to_float(all.of[i]);
}
template <int kVector, class T>
COPPICE_INLINE void put(const float* values, T* to) {
  Neighbours<T, kVector> all;
  for (int i = 0; i < kVector; ++i) from_float(values[i], all.of[i]);
  *reinterpret_cast<Neighbours<T, kVector>*>(to) = all;
}

/// Where an image's value at a position lies.
template <class T>
COPPICE_INLINE T* place(const Work<T>& w, const Maps<T>& maps, int channel, int y, int x, int image) {
  return maps.data + int64_t{maps.at(channel, y, x)} * w.images + image;
}

/// What is done with a sum at (output, y, x) of kVector images from `image` on: + residual, → raw, · scale +
/// shift, ReLU.
template <int kVector, class T>
COPPICE_INLINE void finish(const Work<T>& w, int output, int y, int x, int image, float* sum) {
  if (w.residual.data != nullptr) {
    float more[kVector];
    load<kVector>(place(w, w.residual, output, y, x, image), more);
    for (int i = 0; i < kVector; ++i) sum[i] += more[i];
  }
  if (w.raw.data != nullptr) put<kVector>(sum, place(w, w.raw, output, y, x, image));
  for (int i = 0; i < kVector; ++i) {
    if (w.scale != nullptr) sum[i] = sum[i] * w.scale[output] + w.shift[output];
    // NaN passes, as through libtorch's ReLU.
    if (w.relu) sum[i] = sum[i] < 0.0f ? 0.0f : sum[i];
  }
}

template <int kVector, class T>
COPPICE_INLINE void store(const Work<T>& w, int output, int y, int x, int image, const float* values) {
  put<kVector>(values, place(w, w.output, output, y, x, image));
}

COPPICE_INLINE float larger(float a, float b) { return a > b || a != a ? a : b; }

}  // namespace coppice::sparse::cuda
