#include "bounds/transposed_convolution.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

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
/// Parts of the rows whose weight gradients are summed apart, at most.
constexpr int64_t kSlices = 8;

/// A stretch of a panel's columns that is contiguous in the result too.
struct Piece {
  int64_t column, size;
  int64_t y, x;     ///< its tap
  int64_t channel;  ///< its first input channel
  int64_t offset;   ///< of it in the result, from the place of the first tap
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

/// Calls body(V, place) for stretches of few, known lengths that make up `size` floats.
template <class Body>
[[gnu::always_inline]] inline void for_stretches(int64_t size, Body body) {
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) body(Vector16{}, i);
  if (i + 8 <= size) body(Vector8{}, i), i += 8;
  if (i + 4 <= size) body(Vector4{}, i), i += 4;
  for (; i < size; ++i) body(float{}, i);
}

[[gnu::always_inline]] inline void add(float* out, const float* values, int64_t size) {
  for_stretches(size, [&]<class V>(V part, int64_t i) {
    std::memcpy(&part, values + i, sizeof(V));
    add(out + i, part);
  });
}

[[gnu::always_inline]] inline void copy(float* out, const float* values, int64_t size) {
  for_stretches(size, [&]<class V>(V part, int64_t i) {
    std::memcpy(&part, values + i, sizeof(V));
    std::memcpy(out + i, &part, sizeof(V));
  });
}

/// Σ over c of x[m][c · step] · panel[c][column] for M positions; sink(m, column, V, V) takes two vectors of
/// columns.
template <class V, int M, class Sink>
[[gnu::always_inline]] inline void multiply(const float* const* x, int64_t step, const float* panel,
                                            int64_t channels, Sink sink) {
  constexpr int kLanes = sizeof(V) / sizeof(float);
  for (int column = 0; column < kPanel; column += 2 * kLanes) {
    V sums[M][2] = {};
    for (int64_t c = 0; c < channels; ++c) {
      V left, right;
      std::memcpy(&left, panel + c * kPanel + column, sizeof(V));
      std::memcpy(&right, panel + c * kPanel + column + kLanes, sizeof(V));
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const float value = x[m][c * step];
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

/// Appends the positions of one row.
inline void place_positions(const Problem& p, int64_t row, std::vector<Position>& places) {
  float* out = p.out + row * p.height * p.width * p.inputs;
  for (int64_t i = 0; i < p.h; ++i) {
    for (int64_t j = 0; j < p.w; ++j) {
      const int64_t y = i * p.stride - p.padding, x = j * p.stride - p.padding;
      const bool inside = y >= 0 && x >= 0 && y + p.kernel <= p.height && x + p.kernel <= p.width;
      places.push_back({inside ? out + (y * p.width + x) * p.inputs : nullptr, out, y, x, inside});
    }
  }
}

/// Rows [begin, end): result blocks that stay in the cache, panel by panel, M positions at a time.
template <class V, int M>
[[gnu::always_inline]] inline void run(const Problem& p, int64_t begin, int64_t end) {
  const int64_t positions = p.h * p.w, result = p.height * p.width * p.inputs;
  const int64_t block = std::max(
      {int64_t{1}, kBlockBytes / static_cast<int64_t>(sizeof(float)) / result, kLeastPositions / positions});
  std::vector<Position> places;
  alignas(64) float tile[M][kPanel];
  for (int64_t first = begin; first < end; first += block) {
    const int64_t rows = std::min(block, end - first), count = rows * positions;
    std::fill_n(p.out + first * result, rows * result, 0.0f);
    places.clear();
    for (int64_t row = first; row < first + rows; ++row) place_positions(p, row, places);
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
        multiply<V, M>(x, 1, weights, p.outputs, [&](int m, int column, const V& left, const V& right) {
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

/// Copies the part of a position's patch that a piece stands for; zero outside.
[[gnu::always_inline]] inline void copy_piece(const Problem& p, const Position& at, const Piece& piece,
                                              float* to) {
  const int64_t line = p.width * p.inputs;
  if (at.inside) {
    copy(to, at.first + piece.offset, piece.size);
    return;
  }
  const int64_t y = at.y + piece.y, place = (at.x + piece.x) * p.inputs + piece.channel;
  std::fill_n(to, piece.size, 0.0f);
  const int64_t before = std::max<int64_t>(0, -place);
  const int64_t size = std::min(piece.size, line - place) - before;
  if (y >= 0 && y < p.height && size > 0) copy(to + before, at.row + y * line + place + before, size);
}

/// Gradients with respect to the values of rows [begin, end): each is a product of its patch of the results'
/// gradient (p.out) with the weight. p.panels: panels of 32 outputs for each column; `to`: like p.values.
template <class V, int M>
[[gnu::always_inline]] inline void run_of_values(const Problem& p, float* to, int64_t begin, int64_t end) {
  const int64_t positions = p.h * p.w, columns = p.kernel * p.kernel * p.inputs;
  const int64_t panels = (p.outputs + kPanel - 1) / kPanel;
  std::vector<Position> places;
  std::vector<float> patches(static_cast<size_t>(M * columns));
  for (int64_t row = begin; row < end; ++row) {
    places.clear();
    place_positions(p, row, places);
    for (int64_t position = 0; position < positions; position += M) {
      const int64_t used = std::min<int64_t>(M, positions - position);
      const float* x[M];
      for (int64_t m = 0; m < M; ++m) x[m] = patches.data() + std::min(m, used - 1) * columns;
      for (int64_t m = 0; m < used; ++m)
        for (size_t panel = 0; panel < p.pieces.size(); ++panel)
          for (const Piece& piece : p.pieces[panel])
            copy_piece(p, places[position + m], piece,
                       patches.data() + m * columns + static_cast<int64_t>(panel) * kPanel + piece.column);
      for (int64_t panel = 0; panel < panels; ++panel) {
        float* first = to + (row * positions + position) * p.outputs + panel * kPanel;
        const int64_t size = std::min(kPanel, p.outputs - panel * kPanel);
        multiply<V, M>(x, 1, p.panels + panel * columns * kPanel, columns,
                       [&](int m, int column, const V& left, const V& right) {
                         if (m >= used || column >= size) return;
                         constexpr int64_t kBoth = 2 * sizeof(V) / sizeof(float);
                         float both[kBoth];
                         std::memcpy(both, &left, sizeof(V));
                         std::memcpy(both + kBoth / 2, &right, sizeof(V));
                         copy(first + m * p.outputs + column, both, std::min(kBoth, size - column));
                       });
      }
    }
  }
}

/// Gradients with respect to the weight for panels [begin, end) of columns, from all rows: [outputs, panels,
/// 32] in `to`, added to.
template <class V, int M>
[[gnu::always_inline]] inline void run_of_weight(const Problem& p, int64_t rows, float* to, int64_t begin,
                                                 int64_t end) {
  const int64_t positions = p.h * p.w;
  const auto panels = static_cast<int64_t>(p.pieces.size());
  std::vector<Position> places;
  std::vector<float> patches;
  const int64_t block = std::max<int64_t>(1, 256 / positions);
  for (int64_t first = 0; first < rows; first += block) {
    const int64_t count = std::min(block, rows - first) * positions;
    places.clear();
    for (int64_t row = first; row < first + count / positions; ++row) place_positions(p, row, places);
    patches.assign(static_cast<size_t>(count * kPanel), 0.0f);
    for (int64_t panel = begin; panel < end; ++panel) {
      for (int64_t position = 0; position < count; ++position)
        for (const Piece& piece : p.pieces[panel])
          copy_piece(p, places[position], piece, patches.data() + position * kPanel + piece.column);
      for (int64_t output = 0; output < p.outputs; output += M) {
        const int64_t used = std::min<int64_t>(M, p.outputs - output);
        const float* x[M];
        for (int64_t m = 0; m < M; ++m)
          x[m] = p.values + first * positions * p.outputs + output + std::min(m, used - 1);
        multiply<V, M>(x, p.outputs, patches.data(), count,
                       [&](int m, int column, const V& left, const V& right) {
                         if (m >= used) return;
                         float* out = to + ((output + m) * panels + panel) * kPanel + column;
                         add(out, left);
                         add(out + sizeof(V) / sizeof(float), right);
                       });
      }
    }
  }
}

/// The kernels of one instruction set.
struct Kernels {
  void (*run)(const Problem&, int64_t, int64_t);
  void (*of_values)(const Problem&, float*, int64_t, int64_t);
  void (*of_weight)(const Problem&, int64_t, float*, int64_t, int64_t);
};

#define COPPICE_KERNELS(name, target, V, M)                                                             \
  target void run_##name(const Problem& p, int64_t begin, int64_t end) { run<V, M>(p, begin, end); }    \
  target void of_values_##name(const Problem& p, float* to, int64_t begin, int64_t end) {               \
    run_of_values<V, M>(p, to, begin, end);                                                             \
  }                                                                                                     \
  target void of_weight_##name(const Problem& p, int64_t rows, float* to, int64_t begin, int64_t end) { \
    run_of_weight<V, M>(p, rows, to, begin, end);                                                       \
  }                                                                                                     \
  constexpr Kernels name{run_##name, of_values_##name, of_weight_##name};

COPPICE_KERNELS(portable, , Vector4, 6)
#if COPPICE_X86
COPPICE_KERNELS(avx2, COPPICE_TARGET("x86-64-v3"), Vector8, 6)
COPPICE_KERNELS(avx512, COPPICE_TARGET("x86-64-v4"), Vector16, 12)
#endif

const Kernels& kernels() {
  static const Kernels chosen = [] {
#if COPPICE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      return avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
      return avx2;
#endif
    return portable;
  }();
  return chosen;
}

/// Columns of a matrix [rows, columns] in panels of 32, the last one filled up with zeros.
at::Tensor in_panels(const at::Tensor& matrix) {
  const int64_t rows = matrix.size(0), columns = matrix.size(1), panels = (columns + kPanel - 1) / kPanel;
  return at::constant_pad_nd(matrix, {0, panels * kPanel - columns})
      .view({rows, panels, kPanel})
      .permute({1, 0, 2})
      .contiguous();
}

/// [outputs, (ky, kx, input)].
at::Tensor by_tap(const at::Tensor& weight) {
  return weight.permute({0, 2, 3, 1}).reshape({weight.size(0), -1});
}

Problem problem_of(const at::Tensor& values, const at::Tensor& panels, const at::Tensor& out, int64_t kernel,
                   int64_t stride, int64_t padding) {
  return {values.const_data_ptr<float>(),
          panels.defined() ? panels.const_data_ptr<float>() : nullptr,
          out.data_ptr<float>(),
          values.size(1),
          out.size(1),
          kernel,
          stride,
          padding,
          values.size(2),
          values.size(3),
          out.size(2),
          out.size(3),
          pieces_of(out.size(1), kernel, out.size(3))};
}

at::Tensor channels_last(const at::Tensor& tensor) {
  return tensor.contiguous(at::MemoryFormat::ChannelsLast);
}

struct Recorded : torch::autograd::Function<Recorded> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static at::Tensor forward(Context* ctx, const at::Tensor& values, const at::Tensor& weight, int64_t stride,
                            int64_t padding, int64_t height, int64_t width) {
    const at::Tensor input = channels_last(values);
    ctx->save_for_backward({input, weight});
    ctx->saved_data["stride"] = stride;
    ctx->saved_data["padding"] = padding;
    return transposed_convolution(input, pack_weight(weight), stride, padding, height, width);
  }

  static Variables backward(Context* ctx, const Variables& gradients) {
    const Variables saved = ctx->get_saved_variables();
    const at::Tensor &values = saved[0], &weight = saved[1];
    const int64_t stride = ctx->saved_data["stride"].toInt(), padding = ctx->saved_data["padding"].toInt();
    const at::Tensor gradient = channels_last(gradients[0]);
    const int64_t rows = values.size(0), outputs = weight.size(0), inputs = weight.size(1),
                  kernel = weight.size(2);
    at::Tensor of_values, of_weight;
    if (ctx->needs_input_grad(0)) {
      of_values = at::empty_like(values);
      const at::Tensor panels = in_panels(by_tap(weight).t().contiguous());
      const Problem p = problem_of(values, panels, gradient, kernel, stride, padding);
      at::parallel_for(0, rows, 4, [&](int64_t begin, int64_t end) {
        kernels().of_values(p, of_values.data_ptr<float>(), begin, end);
      });
    }
    if (ctx->needs_input_grad(1)) {
      const Problem p = problem_of(values, {}, gradient, kernel, stride, padding);
      const auto panels = static_cast<int64_t>(p.pieces.size());
      // Each slice of the rows has sums of its own, so that they are the same for any number of threads.
      const int64_t slices = std::clamp<int64_t>(rows / 64, 1, kSlices);
      const at::Tensor sums = at::zeros({slices, outputs, panels * kPanel}, values.options());
      at::parallel_for(0, slices, 1, [&](int64_t begin, int64_t end) {
        for (int64_t slice = begin; slice < end; ++slice) {
          const int64_t first = rows * slice / slices, last = rows * (slice + 1) / slices;
          Problem part = p;
          part.values += first * p.h * p.w * p.outputs;
          part.out += first * p.height * p.width * p.inputs;
          kernels().of_weight(part, last - first, sums[slice].data_ptr<float>(), 0, panels);
        }
      });
      of_weight = sums.sum(0)
                      .narrow(1, 0, kernel * kernel * inputs)
                      .reshape({outputs, kernel, kernel, inputs})
                      .permute({0, 3, 1, 2});
    }
    return {of_values, of_weight, {}, {}, {}, {}};
  }
};

}  // namespace

PackedWeight pack_weight(const at::Tensor& weight) {
  return {in_panels(by_tap(weight)), weight.size(1), weight.size(2)};
}

at::Tensor transposed_convolution(const at::Tensor& given, const PackedWeight& weight, int64_t stride,
                                  int64_t padding, int64_t height, int64_t width) {
  const at::Tensor values = channels_last(given);
  const at::Tensor out = at::empty({values.size(0), weight.inputs, height, width},
                                   values.options().memory_format(at::MemoryFormat::ChannelsLast));
  const Problem problem = problem_of(values, weight.panels, out, weight.kernel, stride, padding);
  at::parallel_for(0, values.size(0), 4,
                   [&](int64_t begin, int64_t end) { kernels().run(problem, begin, end); });
  return out;
}

at::Tensor recorded_transposed_convolution(const at::Tensor& values, const at::Tensor& weight, int64_t stride,
                                           int64_t padding, int64_t height, int64_t width) {
  return Recorded::apply(values, weight, stride, padding, height, width);
}

}  // namespace coppice
