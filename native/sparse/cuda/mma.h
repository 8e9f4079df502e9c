// Columns that a group of outputs shares, on the tensor cores: sums [outputs × (positions · images)] +=
// weights [outputs × k] · gathered rows [k × (positions · images)] in bf16, accumulated in fp32.
//
// A block has kOutputs outputs (one group), kCount positions and kWide images. Steps of kDepth columns are
// copied into shared memory kStages − 1 ahead: weights as they lie, operands row by row from wherever their
// offset points. A warp computes 32 outputs for kWarpImages images of all positions, so that pooling needs no
// other warp's sums.
#pragma once
#include "sparse/cuda/bodies.h"
#include "sparse/cuda/fragments.h"

namespace coppice::sparse::cuda {

template <int kOutputs, int kCount, int kWide, bool kPool>
struct Mma {
  using Tiles = Positions<kCount, kPool>;
  static constexpr int kGroup = kOutputs, kAtOnce = kWide;
  static constexpr int kColumns = kCount * kWide;
  static constexpr int kWarpColumns = kColumns >= 256 ? 64 : 32, kWarpImages = kWarpColumns / kCount;
  static constexpr int kAcross = kWide / kWarpImages;  // warps side by side
  static constexpr int kThreads = 32 * kAcross * (kOutputs / 32);
  static constexpr int kChunks = kColumns / 8;  // of 16 bytes in a row
  static constexpr int kStages = 3;
  static constexpr int kWeightBytes = kOutputs * kDepth * 2,
                       kStageBytes = kWeightBytes + kDepth * kColumns * 2;
  static constexpr int kShared = kStages * kStageBytes;
  static_assert(kOutputs % 32 == 0 && kWide % kImages == 0 && kWarpImages % 16 == 0 &&
                kWide % kWarpImages == 0);
  static_assert(kThreads % kChunks == 0 && kChunks % 8 == 0);

  Work<Bf16> work;

  template <class Thread>
  COPPICE_KERNEL void operator()(Thread& t) const {
    const Work<Bf16>& w = work;
    const int first = w.start[t.block_x()], steps = (w.start[t.block_x() + 1] - first) / kDepth;
    const Tiles positions(w, t.block_y());
    const int warp = t.thread() / 32, high = warp / kAcross * 32, wide = warp % kAcross * kWarpImages;

    float sums[2][kWarpColumns / 8][4];
    COPPICE_UNROLL
    for (int m = 0; m < 2; ++m) COPPICE_UNROLL
    for (int n = 0; n < kWarpColumns / 8; ++n) COPPICE_UNROLL
    for (int i = 0; i < 4; ++i) sums[m][n][i] = 0;

    COPPICE_UNROLL
    for (int step = 0; step < kStages - 1; ++step) {
      if (step < steps) copy(t, positions, first, step);
      t.commit();
    }
    for (int step = 0; step < steps; ++step) {
      t.template wait<kStages - 2>();
      // This step's operands are there for every thread, and none reads the oldest stage any more.
      t.sync();
      if (step + kStages - 1 < steps) copy(t, positions, first, step + kStages - 1);
      t.commit();
      multiply(t, t.shared() + step % kStages * kStageBytes, high, wide, sums);
    }

    const int lane = t.thread() % 32, group = t.block_x() * kOutputs + high;
    const int image = t.block_z() * kWide + wide + c_column(lane, 0);
    COPPICE_UNROLL
    for (int m = 0; m < 2; ++m) {
      COPPICE_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int output = group + m * 16 + c_row(lane, half * 2);
        if (output >= w.output.channels) continue;
        const float bias = w.bias[output];
        COPPICE_UNROLL
        for (int eight = 0; eight < kWarpImages / 8; ++eight) {
          float pairs[kCount][2];
          COPPICE_UNROLL
          for (int p = 0; p < kCount; ++p) COPPICE_UNROLL
          for (int i = 0; i < 2; ++i)
            pairs[p][i] = sums[m][p * (kWarpImages / 8) + eight][half * 2 + i] + bias;
          positions.end(w, output, image + eight * 8, pairs);
        }
      }
    }
  }

 private:
  /// A lane's numbers of A, read at once.
  struct alignas(16) Fragment {
    uint32_t words[4];
  };

  /// Begins to copy a step's weights and operands to its stage.
  template <class Thread>
  COPPICE_KERNEL void copy(Thread& t, const Tiles& positions, int first, int step) const {
    const Work<Bf16>& w = work;
    char* to = t.shared() + step % kStages * kStageBytes;
    const int64_t k = first + int64_t{step} * kDepth;
    const char* weights = reinterpret_cast<const char*>(w.weights + k * kOutputs);
    for (int i = t.thread() * 16; i < kWeightBytes; i += kThreads * 16) t.copy_async(to + i, weights + i);
    to += kWeightBytes;
    const int chunk = t.thread() % kChunks, image = t.block_z() * kWide + chunk * 8 % kWide;
    const Bf16* from = w.input.data + int64_t{positions.base(w, chunk * 8 / kWide)} * w.images + image;
    COPPICE_UNROLL
    for (int i = 0; i < kDepth / (kThreads / kChunks); ++i) {
      const int row = t.thread() / kChunks + i * (kThreads / kChunks);
      t.copy_async(to + chunk_place(row, chunk, kChunks) * 16, from + int64_t{w.offsets[k + row]} * w.images);
    }
  }

  template <class Thread>
  COPPICE_KERNEL void multiply(Thread& t, const char* stage, int high, int wide,
                               float (&sums)[2][kWarpColumns / 8][4]) const {
    const int lane = t.thread() % 32;
    const char* operands = stage + kWeightBytes;
    COPPICE_UNROLL
    for (int k = 0; k < kDepth; k += 16) {
      Fragment a[2];
      COPPICE_UNROLL
      for (int m = 0; m < 2; ++m) {
        const int fragment = k / 16 * (kOutputs / 16) + high / 16 + m;
        a[m] = reinterpret_cast<const Fragment*>(stage)[fragment * 32 + lane];
      }
      COPPICE_UNROLL
      for (int n = 0; n < kWarpColumns; n += 16) {
        const int column = n / kWarpImages * kWide + wide + n % kWarpImages;
        const int place = chunk_place(k + b_row(lane), column / 8 + b_chunk(lane), kChunks);
        uint32_t b[4];
        t.load_transposed(b, operands + place * 16);
        COPPICE_UNROLL
        for (int m = 0; m < 2; ++m) {
          t.multiply_add(sums[m][n / 8], a[m].words, b[0], b[1]);
          t.multiply_add(sums[m][n / 8 + 1], a[m].words, b[2], b[3]);
        }
      }
    }
  }
};

}  // namespace coppice::sparse::cuda
