#include "bounds/transposed_convolution.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define COPPICE_TARGET(arch) __attribute__((target("arch=" arch)))
#define COPPICE_X86 1
#else
#define COPPICE_TARGET(arch)
#define COPPICE_X86 0
#endif

namespace coppice {
namespace {

constexpr int64_t kPanel = 32;  ///< columns of a panel
/// Bytes of results that a thread works on at once, within its second-level cache.
constexpr int64_t kBlockBytes = 192 << 10;
/// Positions that share a panel while it is in the cache, at least.
constexpr int64_t kLeastPositions = 48;

/// A stretch of a panel's columns that is contiguous in the result too.
struct Piece {
  int64_t column, size;
  int64_t y, x;       ///< its tap
  int64_t channel;    ///< its first input channel
  int64_t offset;     ///< of it in the result, from the place of the first tap
};

struct Problem {
  const float *values, *panels;
  float* out;
  int64_t outputs, inputs, kernel, stride, padding;
  int64_t h, w, height, width;
  std::vector<std::vector<Piece>> pieces;  ///< of each panel
};

/// Columns of a panel split where the tap's row changes: along a row, taps and channels are contiguous.
std::vector<std::vector<Piece>> pieces_of(int64_t inputs, int64_t kernel, int64_t width) {
  const int64_t columns = kernel * kernel * inputs, row = kernel * inputs;
  std::vector<std::vector<Piece>> all((columns + kPanel - 1) / kPanel);
  for (int64_t column = 0; column < columns;) {
    const int64_t panel = column / kPanel;
    const int64_t end = std::min({(panel + 1) * kPanel, (column / row + 1) * row, columns});
    const int64_t y = column / row, along = column % row;
    all[panel].push_back({column - panel * kPanel, end - column, y, along / inputs, along % inputs,
                          y * width * inputs + along});
    column = end;
  }
  return all;
}

using Vector4 = float __attribute__((vector_size(16)));
using Vector8 = float __attribute__((vector_size(32)));
using Vector16 = float __attribute__((vector_size(64)));

template <class V>
[[gnu::always_inline]] inline void add(float* out, const V& values) {
  V sum;
  std::memcpy(&sum, out, sizeof(V));
  sum += values;
  std::memcpy(out, &sum, sizeof(V));
}

[[gnu::always_inline]] inline void add(float* out, const float* values, int64_t size) {
  const auto step = [&]<class V>(V part) {
    constexpr int64_t kLanes = sizeof(V) / sizeof(float);
    std::memcpy(&part, values, sizeof(V));
    add(out, part);
    out += kLanes;
    values += kLanes;
    size -= kLanes;
  };
  while (size >= 16) step(Vector16{});
  if (size >= 8) step(Vector8{});
  if (size >= 4) step(Vector4{});
  for (int64_t i = 0; i < size; ++i) out[i] += values[i];
}

/// Σ over c of x[m][c] · panel[c][column] for M positions; sink(m, column, V, V) takes two vectors of columns.
template <class V, int M, class Sink>
[[gnu::always_inline]] inline void multiply(const float* const* x, const float* panel, int64_t channels,
                                            Sink sink) {
  constexpr int kLanes = sizeof(V) / sizeof(float);
  for (int column = 0; column < kPanel; column += 2 * kLanes) {
    V sums[M][2] = {};
    for (int64_t c = 0; c < channels; ++c) {
      V left, right;
      std::memcpy(&left, panel + c * kPanel + column, sizeof(V));
      std::memcpy(&right, panel + c * kPanel + column + kLanes, sizeof(V));
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const float value = x[m][c];
        sums[m][0] += value * left;
        sums[m][1] += value * right;
      }
    }
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) sink(m, column, sums[m][0], sums[m][1]);
  }
}

/// Where one position adds to.
struct Position {
  float* first;  ///< the result at its first tap; only valid if all its taps lie inside
  float* row;    ///< the results of its row of coefficients
  int64_t y, x;  ///< of its first tap in them
  bool inside;
};

[[gnu::always_inline]] inline void scatter(const Problem& p, const Position& at, const float* tile,
                                           const std::vector<Piece>& pieces) {
  const int64_t line = p.width * p.inputs;
  for (const Piece& piece : pieces) {
    if (at.inside) {
      add(at.first + piece.offset, tile + piece.column, piece.size);
      continue;
    }
    const int64_t y = at.y + piece.y, place = (at.x + piece.x) * p.inputs + piece.channel;
    const int64_t before = std::max<int64_t>(0, -place);
    const int64_t size = std::min(piece.size, line - place) - before;
    if (y >= 0 && y < p.height && size > 0)
      add(at.row + y * line + place + before, tile + piece.column + before, size);
  }
}

/// Rows [begin, end): result blocks that stay in the cache, panel by panel, M positions at a time.
template <class V, int M>
[[gnu::always_inline]] inline void run(const Problem& p, int64_t begin, int64_t end) {
  const int64_t positions = p.h * p.w, result = p.height * p.width * p.inputs;
  const int64_t block = std::max({int64_t{1}, kBlockBytes / static_cast<int64_t>(sizeof(float)) / result,
                                  kLeastPositions / positions});
  std::vector<Position> places;
  alignas(64) float tile[M][kPanel];
  for (int64_t first = begin; first < end; first += block) {
    const int64_t rows = std::min(block, end - first), count = rows * positions;
    std::fill_n(p.out + first * result, rows * result, 0.0f);
    places.clear();
    for (int64_t row = first; row < first + rows; ++row) {
      for (int64_t i = 0; i < p.h; ++i) {
        for (int64_t j = 0; j < p.w; ++j) {
          const int64_t y = i * p.stride - p.padding, x = j * p.stride - p.padding;
          places.push_back({p.out + row * result + (y * p.width + x) * p.inputs, p.out + row * result, y, x,
                            y >= 0 && x >= 0 && y + p.kernel <= p.height && x + p.kernel <= p.width});
        }
      }
    }
    const float* values = p.values + first * positions * p.outputs;
    for (size_t panel = 0; panel < p.pieces.size(); ++panel) {
      const float* weights = p.panels + static_cast<int64_t>(panel) * p.outputs * kPanel;
      for (int64_t position = 0; position < count; position += M) {
        const int64_t used = std::min<int64_t>(M, count - position);
        const float* x[M];
        for (int64_t m = 0; m < M; ++m) x[m] = values + (position + std::min(m, used - 1)) * p.outputs;
        const Position* at = places.data() + position;
        const std::vector<Piece>& pieces = p.pieces[panel];
        const bool direct = pieces.front().size == kPanel;
        multiply<V, M>(x, weights, p.outputs, [&](int m, int column, const V& left, const V& right) {
          if (m >= used) return;
          float* to = direct && at[m].inside ? at[m].first + pieces.front().offset : nullptr;
          if (to) {
            add(to + column, left);
            add(to + column + sizeof(V) / sizeof(float), right);
          } else {
            std::memcpy(tile[m] + column, &left, sizeof(V));
            std::memcpy(tile[m] + column + sizeof(V) / sizeof(float), &right, sizeof(V));
          }
        });
        for (int64_t m = 0; m < used; ++m)
          if (!direct || !at[m].inside) scatter(p, at[m], tile[m], pieces);
      }
    }
  }
}

void run_portable(const Problem& p, int64_t begin, int64_t end) { run<Vector4, 6>(p, begin, end); }
#if COPPICE_X86
COPPICE_TARGET("x86-64-v3") void run_avx2(const Problem& p, int64_t begin, int64_t end) {
  run<Vector8, 6>(p, begin, end);
}
COPPICE_TARGET("x86-64-v4") void run_avx512(const Problem& p, int64_t begin, int64_t end) {
  run<Vector16, 12>(p, begin, end);
}
#endif

using Run = void (*)(const Problem&, int64_t, int64_t);
Run best_run() {
#if COPPICE_X86
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (avx512) return run_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return run_avx2;
#endif
  return run_portable;
}

}  // namespace

PackedWeight pack_weight(const at::Tensor& weight) {
  const int64_t outputs = weight.size(0), inputs = weight.size(1), kernel = weight.size(2);
  const int64_t columns = kernel * kernel * inputs, panels = (columns + kPanel - 1) / kPanel;
  const at::Tensor by_tap = weight.permute({0, 2, 3, 1}).reshape({outputs, columns});
  return {at::constant_pad_nd(by_tap, {0, panels * kPanel - columns})
              .view({outputs, panels, kPanel})
              .permute({1, 0, 2})
              .contiguous(),
          outputs, inputs, kernel};
}

at::Tensor transposed_convolution(const at::Tensor& given, const PackedWeight& weight, int64_t stride,
                                  int64_t padding, int64_t height, int64_t width) {
  static const Run run = best_run();
  const at::Tensor values = given.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor out = at::empty({values.size(0), weight.inputs, height, width},
                                   values.options().memory_format(at::MemoryFormat::ChannelsLast));
  const Problem problem{values.const_data_ptr<float>(),
                        weight.panels.const_data_ptr<float>(),
                        out.data_ptr<float>(),
                        weight.outputs,
                        weight.inputs,
                        weight.kernel,
                        stride,
                        padding,
                        values.size(2),
                        values.size(3),
                        height,
                        width,
                        pieces_of(weight.inputs, weight.kernel, width)};
  at::parallel_for(0, values.size(0), 4, [&](int64_t begin, int64_t end) { run(problem, begin, end); });
  return out;
}

}  // namespace coppice
