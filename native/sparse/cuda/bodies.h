// The simple kernels: how each value, or each output, comes about. `Thread` is a CUDA thread or one that the
// CPU imitates. Those of the tensor cores are in mma.h.
#pragma once
#include "sparse/cuda/work.h"

// Bodies are compiled for the device with nvcc, which is where `Thread` is a device's, and for the CPU
// elsewhere.
#ifdef __CUDACC__
#define COPPICE_KERNEL __device__ inline
#define COPPICE_UNROLL _Pragma("unroll")
#else
#define COPPICE_KERNEL inline
#define COPPICE_UNROLL
#endif

namespace coppice::sparse::cuda {

/// Calls item(i, image) for every i below `rows` and every image; neighbouring threads have neighbouring
/// images.
template <class T, class Item>
struct Each {
  static constexpr int kThreads = 256, kShared = 0;
  Work<T> work;
  int64_t rows;

  template <class Thread>
  COPPICE_KERNEL void operator()(Thread& t) const {
    const int64_t count = rows * work.images, step = int64_t{t.blocks_x()} * kThreads;
    for (int64_t i = int64_t{t.block_x()} * kThreads + t.thread(); i < count; i += step)
      Item::run(work, static_cast<int>(i / work.images), static_cast<int>(i % work.images));
  }
};

/// Splits a row's index into channel, y and x.
struct Place {
  int channel, y, x;
  COPPICE_INLINE Place(int row, int height, int width)
      : channel(row / (height * width)), y(row / width % height), x(row % width) {}
};

/// The whole stage from dense weights, tap by tap with its bounds checked: what the other kernels are checked
/// against.
struct Reference {
  template <class T>
  COPPICE_KERNEL static void run(const Work<T>& w, int row, int image) {
    const Place at(row, w.output.height, w.output.width);
    float pooled = 0;
    for (int i = 0; i < w.pool * w.pool; ++i) {
      const int y = at.y * w.pool + i / w.pool, x = at.x * w.pool + i % w.pool;
      float sum = w.bias[at.channel];
      for (int c = 0; c < w.input.channels; ++c)
        for (int ky = 0; ky < w.kernel_height; ++ky)
          for (int kx = 0; kx < w.kernel_width; ++kx) {
            const int from_y = y * w.stride - w.padding + ky, from_x = x * w.stride - w.padding + kx;
            if (from_y < 0 || from_y >= w.input.height || from_x < 0 || from_x >= w.input.width) continue;
            const T operand = *place(w, w.input, c, from_y, from_x, image);
            const int64_t tap =
                ((int64_t{at.channel} * w.input.channels + c) * w.kernel_height + ky) * w.kernel_width + kx;
            sum += to_float(w.dense[tap]) * to_float(operand);
          }
      finish<1>(w, at.channel, y, x, image, &sum);
      pooled = i == 0 ? sum : w.max_pool ? larger(pooled, sum) : pooled + sum;
    }
    if (!w.max_pool) pooled *= 1.0f / static_cast<float>(w.pool * w.pool);
    store<1>(w, at.channel, at.y, at.x, image, &pooled);
  }
};

/// The same from packed columns.
struct Simple {
  template <class T>
  COPPICE_KERNEL static void run(const Work<T>& w, int row, int image) {
    const Place at(row, w.output.height, w.output.width);
    const int group = at.channel / w.group, first = w.start[group], end = w.start[group + 1];
    float pooled = 0;
    for (int i = 0; i < w.pool * w.pool; ++i) {
      const int y = at.y * w.pool + i / w.pool, x = at.x * w.pool + i % w.pool;
      const int base = w.input.at(0, y * w.stride - w.padding, x * w.stride - w.padding);
      float sum = w.bias[at.channel];
      for (int k = first; k < end; ++k) {
        const float weight = to_float(w.weights[int64_t{k} * w.group + at.channel % w.group]);
        sum += weight * to_float(w.input.data[int64_t{base + w.offsets[k]} * w.images + image]);
      }
      finish<1>(w, at.channel, y, x, image, &sum);
      pooled = i == 0 ? sum : w.max_pool ? larger(pooled, sum) : pooled + sum;
    }
    if (!w.max_pool) pooled *= 1.0f / static_cast<float>(w.pool * w.pool);
    store<1>(w, at.channel, at.y, at.x, image, &pooled);
  }
};

/// A stage without a product or pooling.
struct Lift {
  template <class T>
  COPPICE_KERNEL static void run(const Work<T>& w, int row, int image) {
    const Place at(row, w.height, w.width);
    float value = to_float(*place(w, w.input, at.channel, at.y, at.x, image));
    finish<1>(w, at.channel, at.y, at.x, image, &value);
    store<1>(w, at.channel, at.y, at.x, image, &value);
  }
};

/// Pooling on its own.
struct Pool {
  template <class T>
  COPPICE_KERNEL static void run(const Work<T>& w, int row, int image) {
    const Place at(row, w.output.height, w.output.width);
    float pooled = 0;
    for (int i = 0; i < w.pool * w.pool; ++i) {
      const int y = at.y * w.pool_stride + i / w.pool, x = at.x * w.pool_stride + i % w.pool;
      const float next = to_float(*place(w, w.input, at.channel, y, x, image));
      pooled = i == 0 ? next : w.max_pool ? larger(pooled, next) : pooled + next;
    }
    if (!w.max_pool) pooled *= 1.0f / static_cast<float>(w.pool * w.pool);
    store<1>(w, at.channel, at.y, at.x, image, &pooled);
  }
};

/// Maps as one vector: channel by channel, row by row.
struct Reshape {
  template <class T>
  COPPICE_KERNEL static void run(const Work<T>& w, int row, int image) {
    const Place at(row, w.input.height, w.input.width);
    *place(w, w.output, row, 0, 0, image) = *place(w, w.input, at.channel, at.y, at.x, image);
  }
};

/// Logits [count][classes].
struct Store {
  template <class T>
  COPPICE_KERNEL static void run(const Work<T>& w, int row, int image) {
    if (image >= w.count) return;
    w.floats[int64_t{image} * w.input.channels + row] = to_float(*place(w, w.input, row, 0, 0, image));
  }
};

/// Images [count][channels][height][width] → [channels][height][width][images], through tiles of 32 × 32 that
/// are read along pixels and written along images; images that are not there become zeros.
template <class T>
struct Load {
  static constexpr int kThreads = 256, kSide = 32, kShared = kSide * (kSide + 1) * 4;
  Work<T> work;

  template <class Thread>
  COPPICE_KERNEL void operator()(Thread& t) const {
    const Work<T>& w = work;
    float* tile = reinterpret_cast<float*>(t.shared());
    const int rows = w.output.channels * w.output.height * w.output.width;
    const int first = t.block_x() * kSide, image = t.block_y() * kSide, across = t.thread() % kSide;
    for (int i = t.thread() / kSide; i < kSide; i += kThreads / kSide) {
      const bool there = first + across < rows && image + i < w.count;
      tile[i * (kSide + 1) + across] = there ? w.floats[int64_t{image + i} * rows + first + across] : 0.0f;
    }
    t.sync();
    for (int i = t.thread() / kSide; i < kSide && first + i < rows; i += kThreads / kSide) {
      const Place at(first + i, w.output.height, w.output.width);
      from_float(tile[across * (kSide + 1) + i], *place(w, w.output, at.channel, at.y, at.x, image + across));
    }
  }
};

/// Positions that one thread or warp computes together: kCount in a row, or a pooling window of 2 × 2.
template <int kCount, bool kPool>
struct Positions {
  static_assert(!kPool || kCount == 4, "a window has four positions");
  int y, x;  ///< of the first
  /// Tiles of a map and the index-th of them.
  template <class T>
  COPPICE_INLINE static int tiles(const Work<T>& w) {
    return kPool ? (w.height / 2) * (w.width / 2) : w.height * ((w.width + kCount - 1) / kCount);
  }
  template <class T>
  COPPICE_INLINE Positions(const Work<T>& w, int index) {
    const int across = kPool ? w.width / 2 : (w.width + kCount - 1) / kCount;
    y = index / across * (kPool ? 2 : 1);
    x = index % across * (kPool ? 2 : kCount);
  }
  COPPICE_INLINE int y_of(int p) const { return kPool ? y + p / 2 : y; }
  COPPICE_INLINE int x_of(int p) const { return kPool ? x + p % 2 : x + p; }
  template <class T>
  COPPICE_INLINE bool inside(const Work<T>& w, int p) const {
    return kPool || x + p < w.width;
  }
  /// Row of the first tap's operand; positions outside read those of the map's last one.
  template <class T>
  COPPICE_INLINE int base(const Work<T>& w, int p) const {
    const int px = x_of(p) < w.width ? x_of(p) : w.width - 1;
    return w.input.at(0, y_of(p) * w.stride - w.padding, px * w.stride - w.padding);
  }
  /// Epilogue and store for the sums of two images at each position.
  template <class T>
  COPPICE_INLINE void end(const Work<T>& w, int output, int image, float (&sums)[kCount][2]) const {
    for (int p = 0; p < kCount; ++p)
      if (inside(w, p)) finish<2>(w, output, y_of(p), x_of(p), image, sums[p]);
    if constexpr (kPool) {
      for (int i = 0; i < 2; ++i) {
        float& pooled = sums[0][i];
        for (int p = 1; p < 4; ++p) pooled = w.max_pool ? larger(pooled, sums[p][i]) : pooled + sums[p][i];
        if (!w.max_pool) pooled *= 0.25f;
      }
      store<2>(w, output, y / 2, x / 2, image, sums[0]);
    } else {
      for (int p = 0; p < kCount; ++p)
        if (inside(w, p)) store<2>(w, output, y, x + p, image, sums[p]);
    }
  }
};

/// Single weights: a warp computes one output at kCount positions for 64 images, two a thread. The warps of a
/// block have neighbouring outputs of the same positions, whose operands then come from the first cache.
template <class T, int kCount, bool kPool>
struct Jobs {
  static constexpr int kWarps = 8, kThreads = kWarps * 32, kShared = 0;
  using Tiles = Positions<kCount, kPool>;
  Work<T> work;

  template <class Thread>
  COPPICE_KERNEL void operator()(Thread& t) const {
    const Work<T>& w = work;
    const int output = t.block_x() * kWarps + t.thread() / 32;
    const int image = t.block_z() * kImages + t.thread() % 32 * 2;
    if (output >= w.output.channels) return;
    const Tiles positions(w, t.block_y());
    const T* from[kCount];
    float sums[kCount][2];
    COPPICE_UNROLL
    for (int p = 0; p < kCount; ++p) {
      from[p] = w.input.data + int64_t{positions.base(w, p)} * w.images + image;
      sums[p][0] = sums[p][1] = w.bias[output];
    }
    const int end = w.start[output + 1];
    for (int e = w.start[output]; e < end; ++e) {
      const Entry entry = w.entries[e];
      const int64_t offset = int64_t{entry.offset} * w.images;
      COPPICE_UNROLL
      for (int p = 0; p < kCount; ++p) {
        float operand[2];
        load<2>(from[p] + offset, operand);
        sums[p][0] += entry.weight * operand[0];
        sums[p][1] += entry.weight * operand[1];
      }
    }
    positions.end(w, output, image, sums);
  }
};

}  // namespace coppice::sparse::cuda
