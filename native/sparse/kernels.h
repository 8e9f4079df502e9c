// The inner loops of sparse inference, compiled once for each instruction set and chosen at run time.
//
// A vector is one 64-byte line: 16 floats, 16 pairs of bf16 or 32 halves, of 16 or 32 images (or pixels) side
// by side. A weight is 32 bits that multiply a line: a float, a pair of bf16 for two channels, or a half
// twice. "Sums" are an output block's accumulators, [output][position] lines, in float (halves for fp16).
#pragma once
#include <cstdint>

namespace coppice::sparse {

enum class Arithmetic { kFp32, kBf16, kFp16 };

inline constexpr int64_t kLine = 64;     ///< bytes of a vector
inline constexpr int64_t kMaxTile = 16;  ///< positions of a tile, at most
inline constexpr int64_t kGroup = 32;    ///< outputs that share a gathered column

/// One weight that is left: where its operand lies, in bytes from a tile's first, and its bits.
struct Entry {
  uint32_t offset, weight;
};
/// Consecutive entries of one output.
struct Job {
  uint32_t output, entries;
};

/// Adds the jobs' products at a tile of rows × columns positions: `rows[r]` bytes from `base` lies row r's
/// first line, the others of a row follow it.
using JobsKernel = void (*)(const Job* job, const Job* end, const Entry* entries, const char* base,
                            const int64_t* rows, char* sums);

/// Lines of consecutive channels (pairs of channels for bf16), `channel` bytes apart, each with the positions
/// of a tile at offsets `at`.
struct Map {
  char* base = nullptr;
  int64_t channel = 0;
  int64_t at[kMaxTile] = {};
};

/// What happens to the sums of one output block at one tile of rows × columns positions: + residual, → raw, ·
/// scale + shift, ReLU, pooling, → output. Maps without a base are left out.
struct Epilogue {
  int64_t outputs, rows, columns;
  const float *scale, *shift;  ///< per output, or null
  bool relu;
  int64_t pool;  ///< side of the windows, or 1
  bool max_pool;
  Map residual, raw, output;  ///< the last at pooled positions
  int64_t positions() const { return rows * columns; }
};
using EpilogueKernel = void (*)(const Epilogue& epilogue, const char* sums);

/// Where the sums of up to four positions go, which are `at` of a tile of `positions`: to `sums`, or through
/// an epilogue that does not pool, or pools just these 2 × 2 to its position `window`.
struct Target {
  char* sums = nullptr;
  int64_t positions = 0;
  const Epilogue* epilogue = nullptr;
  int64_t at[4] = {}, window = 0;
};

/// Sums of columns that up to 32 outputs share, from their biases on: `offsets[k]` of each column, `weights`
/// [k][32] (but see `column_step`). Position i of output o is line o · positions + i of `target.sums`. Biases
/// and sums are touched up to the 32nd output, sums also where there is an epilogue.
using ColumnsKernel = void (*)(const uint32_t* offsets, int64_t columns, const uint32_t* weights,
                               const float* biases, int64_t outputs, const char* base, const int64_t* rows,
                               const Target& target);

/// Pixels of a row of one channel (or pair of channels) of up to as many images as a line holds, into lines
/// that follow each other: images lie `image` floats apart, channels `channel`. Pixels · scale + shift, per
/// channel, are rounded once; null leaves them as they are. What lanes without an image hold means nothing.
using LoadKernel = void (*)(const float* pixels, int64_t image, int64_t channel, int64_t images,
                            int64_t channels, int64_t width, const float* scale, const float* shift,
                            char* lines);

/// Sums that start as the biases, or as the values of a map.
using FillKernel = void (*)(const float* biases, int64_t outputs, int64_t positions, char* sums);
using LiftKernel = void (*)(const Map& map, int64_t outputs, int64_t positions, char* sums);

/// Largest or mean of lines at `base` + offsets[i].
using PoolKernel = void (*)(const char* base, const int64_t* offsets, int64_t count, bool max, char* out);

/// The same as an epilogue for one channel of a pixel-lanes layout, in floats: `rows` × `width` sums in
/// place, then their pooled values in front.
struct RowsEpilogue {
  int64_t rows, width;
  float scale, shift;
  bool affine, relu;
  int64_t pool;
  bool max_pool;
};
using RowsKernel = void (*)(const RowsEpilogue& epilogue, float* values);

/// A map of at most 16 pixels as readers of a pixel-lanes layout need it: pixels `index` [planes][16] where
/// `mask` is all ones, zeros where it is 0, in lines of `bytes` (16 or 64).
using SpreadKernel = void (*)(const float* pixels, const int32_t* index, const uint32_t* mask, int64_t planes,
                              int64_t bytes, char* out);

/// Multiply-adds that `loops` loops over operands in registers did.
using PeakKernel = int64_t (*)(int64_t loops);

/// Kernels of one arithmetic for one instruction set.
struct Kernels {
  const char* name;
  /// Columns that are multiplied at once. From 2 on their number is filled up to a multiple with columns of
  /// zeros, and `weights` are [columns / step][32][step].
  int64_t column_step;
  /// By log2 of rows (up to 8) and of columns (up to 16); null where a tile is too large.
  JobsKernel jobs[4][5];
  JobsKernel narrow_jobs;       ///< of one position of four floats; null for other types
  ColumnsKernel columns[3][3];  ///< rows and columns up to 4, four positions at most
  LoadKernel load;
  FillKernel fill;
  LiftKernel lift;
  EpilogueKernel epilogue;
  PoolKernel pool;
  RowsKernel rows;
  SpreadKernel spread;
  PeakKernel peak;
};

/// The fastest kernels that this CPU has for an arithmetic. `fast` tells whether the arithmetic is the CPU's
/// own, not imitated.
struct KernelChoice {
  const Kernels* kernels;
  bool fast;
};
/// Which kernels to take, whatever this CPU has: `kPortable` runs everywhere, `kImitated` does what AMX
/// would, slowly.
enum class Instructions { kBest, kPortable, kImitated };
KernelChoice kernels_for(Arithmetic arithmetic, Instructions instructions);

}  // namespace coppice::sparse
