// Bodies of the kernels, included once per instruction set after it was named by:
//   COPPICE_ISA   name of the namespace
//   COPPICE_MULTIPLY_ADD_BF16, COPPICE_PAIR_BF16   optional: the CPU's own dot product and rounding of pairs
// No standard library here: an inline function compiled for a new CPU must never be linked in for an old one.
#include "sparse/kernels.h"

namespace coppice::sparse {
namespace COPPICE_ISA {
namespace {

using Floats = float __attribute__((vector_size(64)));
using Words = uint32_t __attribute__((vector_size(64)));
using LooseFloats = float __attribute__((vector_size(64), aligned(4), may_alias));
using LooseWords = uint32_t __attribute__((vector_size(64), aligned(4), may_alias));

template <class To, class From>
[[gnu::always_inline]] inline To bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}
[[gnu::always_inline]] inline Floats load(const char* at) {
  return *reinterpret_cast<const LooseFloats*>(at);
}
[[gnu::always_inline]] inline void store(char* at, Floats values) {
  *reinterpret_cast<LooseFloats*>(at) = values;
}
[[gnu::always_inline]] inline Words load_words(const char* at) {
  return *reinterpret_cast<const LooseWords*>(at);
}

/// Rounds to the nearest bf16, ties to even; NaN stays NaN as its payload's upper half is not empty in
/// practice.
[[gnu::always_inline]] [[maybe_unused]] inline Words rounded(Floats values) {
  const Words word = bits<Words>(values);
  return (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
}
/// Two channels in bf16 side by side, lane by lane.
[[gnu::always_inline]] inline Words paired(Floats first, Floats second) {
#ifdef COPPICE_PAIR_BF16
  return COPPICE_PAIR_BF16(first, second);
#else
  return rounded(first) | (rounded(second) << 16);
#endif
}
[[gnu::always_inline]] inline Floats lower(Words pairs) { return bits<Floats>(pairs << 16); }
[[gnu::always_inline]] inline Floats upper(Words pairs) { return bits<Floats>(pairs & 0xffff0000u); }

struct Fp32 {
  using Sum = Floats;
  using Weight = float;
  static constexpr bool kNarrow = true;
  [[gnu::always_inline]] static Sum start(float bias) { return bias - Floats{}; }
  [[gnu::always_inline]] static Weight weight(uint32_t word) { return bits<float>(word); }
  [[gnu::always_inline]] static Floats operand(const char* at) { return load(at); }
  [[gnu::always_inline]] static void add(Sum& sum, Weight weight, const Floats& operand) {
    sum += weight * operand;
  }
};

struct Bf16 {
  using Sum = Floats;
  static constexpr bool kNarrow = false;
  [[gnu::always_inline]] static Sum start(float bias) { return bias - Floats{}; }
#ifdef COPPICE_MULTIPLY_ADD_BF16
  using Weight = Words;
  [[gnu::always_inline]] static Weight weight(uint32_t word) { return word - Words{}; }
  [[gnu::always_inline]] static Words operand(const char* at) { return load_words(at); }
  [[gnu::always_inline]] static void add(Sum& sum, const Weight& weight, const Words& operand) {
    sum = COPPICE_MULTIPLY_ADD_BF16(sum, weight, operand);
  }
#else
  struct Weight {
    float first, second;
  };
  [[gnu::always_inline]] static Weight weight(uint32_t word) {
    return {bits<float>(word << 16), bits<float>(word & 0xffff0000u)};
  }
  [[gnu::always_inline]] static Words operand(const char* at) { return load_words(at); }
  [[gnu::always_inline]] static void add(Sum& sum, const Weight& weight, const Words& operand) {
    sum += weight.first * lower(operand);
    sum += weight.second * upper(operand);
  }
#endif
};

template <class A, int kRows, int kColumns>
void jobs(const Job* job, const Job* end, const Entry* entry, const char* base, const int64_t* rows,
          char* sums) {
  constexpr int kTile = kRows * kColumns;
  // A multiply-add takes about four cycles: small tiles run several chains side by side.
  constexpr int kChains = kTile >= 8 ? 1 : kTile >= 4 ? 2 : kTile == 2 ? 4 : 8;
  const char* row[kRows];
  for (int r = 0; r < kRows; ++r) row[r] = base + rows[r];
  const auto add = [&](typename A::Sum* sum, const Entry& at) __attribute__((always_inline)) {
    const auto weight = A::weight(at.weight);
    const int64_t offset = at.offset;
#pragma GCC unroll 16
    for (int i = 0; i < kTile; ++i)
      A::add(sum[i], weight, A::operand(row[i / kColumns] + offset + (i % kColumns) * kLine));
  };
  for (; job < end; ++job) {
    char* place = sums + static_cast<int64_t>(job->output) * kTile * kLine;
    typename A::Sum sum[kChains][kTile];
#pragma GCC unroll 16
    for (int i = 0; i < kTile; ++i) {
      sum[0][i] = *reinterpret_cast<const typename A::Sum*>(place + i * kLine);
#pragma GCC unroll 8
      for (int c = 1; c < kChains; ++c) sum[c][i] = typename A::Sum{};
    }
    const Entry* stop = entry + job->entries;
    if constexpr (kChains > 1) {
      for (; entry + kChains <= stop; entry += kChains) {
#pragma GCC unroll 8
        for (int c = 0; c < kChains; ++c) add(sum[c], entry[c]);
      }
    }
    for (; entry < stop; ++entry) add(sum[0], *entry);
#pragma GCC unroll 16
    for (int i = 0; i < kTile; ++i) {
#pragma GCC unroll 8
      for (int c = 1; c < kChains; ++c) sum[0][i] += sum[c][i];
      *reinterpret_cast<typename A::Sum*>(place + i * kLine) = sum[0][i];
    }
  }
}

/// Four floats: maps of 2 × 2 and less.
struct Fp32Narrow {
  using Sum = float __attribute__((vector_size(16)));
  using Weight = float;
  using Loose = float __attribute__((vector_size(16), aligned(4), may_alias));
  [[gnu::always_inline]] static Weight weight(uint32_t word) { return bits<float>(word); }
  [[gnu::always_inline]] static Sum operand(const char* at) { return *reinterpret_cast<const Loose*>(at); }
  [[gnu::always_inline]] static void add(Sum& sum, Weight weight, const Sum& operand) {
    sum += weight * operand;
  }
};

/// A line's channels apart, as floats, and together again.
struct Fp32Lines {
  static constexpr int kChannels = 1, kParts = 1;  ///< floats of 16 images each
  [[gnu::always_inline]] static void read(const char* at, Floats (*channel)[1]) { channel[0][0] = load(at); }
  [[gnu::always_inline]] static void write(char* at, const Floats (*channel)[1]) { store(at, channel[0][0]); }
  [[gnu::always_inline]] static void parts(const Floats& sum, Floats* parts) { parts[0] = sum; }
  [[gnu::always_inline]] static void sums(const char* at, Floats* parts) { parts[0] = load(at); }
  [[gnu::always_inline]] static void write_sums(char* at, const Floats* parts) { store(at, parts[0]); }
};
struct Bf16Lines {
  static constexpr int kChannels = 2, kParts = 1;
  [[gnu::always_inline]] static void read(const char* at, Floats (*channel)[1]) {
    const Words pairs = load_words(at);
    channel[0][0] = lower(pairs);
    channel[1][0] = upper(pairs);
  }
  [[gnu::always_inline]] static void write(char* at, const Floats (*channel)[1]) {
    store(at, bits<Floats>(paired(channel[0][0], channel[1][0])));
  }
  [[gnu::always_inline]] static void parts(const Floats& sum, Floats* parts) { parts[0] = sum; }
  [[gnu::always_inline]] static void sums(const char* at, Floats* parts) { parts[0] = load(at); }
  [[gnu::always_inline]] static void write_sums(char* at, const Floats* parts) { store(at, parts[0]); }
};

/// For pooling: NaN, where either is.
[[gnu::always_inline]] inline Floats larger(Floats a, Floats b) { return (a > b) | (a != a) ? a : b; }
[[maybe_unused]] inline float larger(float a, float b) { return a > b || a != a ? a : b; }

/// Writes lines of a map at the positions `at`.
template <class L, int kOutputs, int kTile>
[[gnu::always_inline]] inline void put(const Map& map, int64_t line, int64_t lines, const int64_t* at,
                                       const Floats (&value)[kOutputs][kTile][L::kParts]) {
#pragma GCC unroll 16
  for (int l = 0; l < kOutputs / L::kChannels; ++l) {
    if (l >= lines) break;
    char* to = map.base + (line + l) * map.channel;
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) {
      Floats here[L::kChannels][L::kParts];
#pragma GCC unroll 2
      for (int c = 0; c < L::kChannels; ++c)
#pragma GCC unroll 2
        for (int p = 0; p < L::kParts; ++p) here[c][p] = value[l * L::kChannels + c][i][p];
      L::write(to + map.at[at[i]], here);
    }
  }
}

/// All but pooling and output for the positions `at` of the outputs from `output` on; those behind the last
/// stay as they are.
template <class L, int kOutputs, int kTile>
[[gnu::always_inline]] inline void finish(const Epilogue& e, int64_t output, const int64_t* at,
                                          Floats (&value)[kOutputs][kTile][L::kParts]) {
  constexpr int kLines = kOutputs / L::kChannels;
  const int64_t line = output / L::kChannels, lines = (e.outputs - output + L::kChannels - 1) / L::kChannels;
  if (e.residual.base != nullptr) {
#pragma GCC unroll 16
    for (int l = 0; l < kLines; ++l) {
      if (l >= lines) break;
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i) {
        Floats more[L::kChannels][L::kParts];
        L::read(e.residual.base + (line + l) * e.residual.channel + e.residual.at[at[i]], more);
#pragma GCC unroll 2
        for (int c = 0; c < L::kChannels; ++c)
#pragma GCC unroll 2
          for (int p = 0; p < L::kParts; ++p) value[l * L::kChannels + c][i][p] += more[c][p];
      }
    }
  }
  if (e.raw.base != nullptr) put<L, kOutputs, kTile>(e.raw, line, lines, at, value);
  if (e.scale != nullptr) {
#pragma GCC unroll 16
    for (int o = 0; o < kOutputs; ++o) {
      if (output + o >= e.outputs) break;
      const float scale = e.scale[output + o], shift = e.shift[output + o];
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i)
#pragma GCC unroll 2
        for (int p = 0; p < L::kParts; ++p) value[o][i][p] = value[o][i][p] * scale + shift;
    }
  }
  if (e.relu) {
    // NaN passes, as through libtorch's ReLU.
#pragma GCC unroll 16
    for (int o = 0; o < kOutputs; ++o)
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i)
#pragma GCC unroll 2
        for (int p = 0; p < L::kParts; ++p)
          value[o][i][p] = Floats{} > value[o][i][p] ? Floats{} : value[o][i][p];
  }
}

/// A window of 2 × 2 positions becomes one.
template <class L, int kOutputs>
[[gnu::always_inline]] inline void pool_window(const Epilogue& e, Floats (&value)[kOutputs][4][L::kParts],
                                               Floats (&pooled)[kOutputs][1][L::kParts]) {
#pragma GCC unroll 16
  for (int o = 0; o < kOutputs; ++o)
#pragma GCC unroll 2
    for (int p = 0; p < L::kParts; ++p) {
      const Floats a = value[o][0][p], b = value[o][1][p], c = value[o][2][p], d = value[o][3][p];
      pooled[o][0][p] = e.max_pool ? larger(larger(a, b), larger(c, d)) : ((a + b) + c + d) * 0.25f;
    }
}

/// The whole epilogue for up to four positions.
template <class L, int kOutputs, int kTile>
[[gnu::always_inline]] inline void finish_all(const Epilogue& e, int64_t output, const int64_t* at,
                                              int64_t window, Floats (&value)[kOutputs][kTile][L::kParts]) {
  finish<L, kOutputs, kTile>(e, output, at, value);
  const int64_t line = output / L::kChannels, lines = (e.outputs - output + L::kChannels - 1) / L::kChannels;
  if constexpr (kTile == 4) {
    if (e.pool == 2) {
      Floats pooled[kOutputs][1][L::kParts];
      pool_window<L, kOutputs>(e, value, pooled);
      put<L, kOutputs, 1>(e.output, line, lines, &window, pooled);
      return;
    }
  }
  put<L, kOutputs, kTile>(e.output, line, lines, at, value);
}

/// The sums of one line's outputs; an odd last output has no partner.
template <class L, int kTile>
[[gnu::always_inline]] inline void take_sums(const Epilogue& e, const char* sums, int64_t positions,
                                             int64_t output, const int64_t* at,
                                             Floats (&value)[L::kChannels][kTile][L::kParts]) {
#pragma GCC unroll 2
  for (int c = 0; c < L::kChannels; ++c)
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) {
      for (int p = 0; p < L::kParts; ++p) value[c][i][p] = Floats{};
      if (output + c < e.outputs) L::sums(sums + ((output + c) * positions + at[i]) * kLine, value[c][i]);
    }
}

/// The same with sums that lie in memory.
template <class L, int kTile>
[[gnu::always_inline]] inline void finish_sums(const Epilogue& e, const char* sums, int64_t positions,
                                               int64_t output, const int64_t* at, int64_t window) {
  Floats value[L::kChannels][kTile][L::kParts];
  take_sums<L, kTile>(e, sums, positions, output, at, value);
  finish_all<L, L::kChannels, kTile>(e, output, at, window, value);
}

/// The same for a window of any size.
template <class L>
void finish_window(const Epilogue& e, const char* sums, int64_t output, int64_t top, int64_t left,
                   int64_t window) {
  Floats found[L::kChannels][1][L::kParts] = {};
  for (int64_t k = 0; k < e.pool * e.pool; ++k) {
    const int64_t at = (top + k / e.pool) * e.columns + left + k % e.pool;
    Floats next[L::kChannels][1][L::kParts];
    take_sums<L, 1>(e, sums, e.positions(), output, &at, next);
    finish<L, L::kChannels, 1>(e, output, &at, next);
    for (int c = 0; c < L::kChannels; ++c)
      for (int p = 0; p < L::kParts; ++p)
        found[c][0][p] = k == 0       ? next[c][0][p]
                         : e.max_pool ? larger(found[c][0][p], next[c][0][p])
                                      : found[c][0][p] + next[c][0][p];
  }
  if (!e.max_pool)
    for (int c = 0; c < L::kChannels; ++c)
      for (int p = 0; p < L::kParts; ++p) found[c][0][p] *= 1.0f / static_cast<float>(e.pool * e.pool);
  put<L, L::kChannels, 1>(e.output, output / L::kChannels, 1, &window, found);
}

template <class L>
void epilogue(const Epilogue& e, const char* sums) {
  const int64_t positions = e.positions(), width = e.columns / e.pool;
  for (int64_t output = 0; output < e.outputs; output += L::kChannels) {
    if (e.pool == 1) {
      int64_t i = 0;
      for (; i + 4 <= positions; i += 4) {
        const int64_t at[4] = {i, i + 1, i + 2, i + 3};
        finish_sums<L, 4>(e, sums, positions, output, at, 0);
      }
      for (; i < positions; ++i) finish_sums<L, 1>(e, sums, positions, output, &i, 0);
    } else if (e.pool == 2) {
      for (int64_t top = 0; top < e.rows; top += 2)
        for (int64_t left = 0; left < e.columns; left += 2) {
          const int64_t i = top * e.columns + left;
          const int64_t at[4] = {i, i + 1, i + e.columns, i + e.columns + 1};
          finish_sums<L, 4>(e, sums, positions, output, at, top / 2 * width + left / 2);
        }
    } else {
      for (int64_t top = 0; top < e.rows; top += e.pool)
        for (int64_t left = 0; left < e.columns; left += e.pool)
          finish_window<L>(e, sums, output, top, left, top / e.pool * width + left / e.pool);
    }
  }
}

template <class A, class L, int kRows, int kColumns>
void columns(const uint32_t* offsets, int64_t count, const uint32_t* weights, const float* biases,
             int64_t outputs, const char* base, const int64_t* rows, const Target& target) {
  constexpr int kTile = kRows * kColumns;
  constexpr int kOutputs = kTile >= 4 ? 4 : kTile == 2 ? 8 : 16;
  const char* row[kRows];
  for (int r = 0; r < kRows; ++r) row[r] = base + rows[r];
  for (int64_t first = 0; first < outputs; first += kOutputs) {
    typename A::Sum sum[kOutputs][kTile];
#pragma GCC unroll 16
    for (int o = 0; o < kOutputs; ++o)
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i) sum[o][i] = A::start(biases[first + o]);
    const uint32_t* weight = weights + first;
    for (int64_t k = 0; k < count; ++k, weight += kGroup) {
      const int64_t offset = offsets[k];
      decltype(A::operand(base)) operand[kTile];
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i)
        operand[i] = A::operand(row[i / kColumns] + offset + (i % kColumns) * kLine);
#pragma GCC unroll 16
      for (int o = 0; o < kOutputs; ++o) {
        const auto value = A::weight(weight[o]);
#pragma GCC unroll 4
        for (int i = 0; i < kTile; ++i) A::add(sum[o][i], value, operand[i]);
      }
    }
    if (target.epilogue != nullptr) {
      Floats value[kOutputs][kTile][L::kParts];
#pragma GCC unroll 16
      for (int o = 0; o < kOutputs; ++o)
#pragma GCC unroll 4
        for (int i = 0; i < kTile; ++i) L::parts(sum[o][i], value[o][i]);
      finish_all<L, kOutputs, kTile>(*target.epilogue, first, target.at, target.window, value);
      continue;
    }
#pragma GCC unroll 16
    for (int o = 0; o < kOutputs; ++o)
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i)
        *reinterpret_cast<typename A::Sum*>(target.sums + ((first + o) * target.positions + target.at[i]) *
                                                              kLine) = sum[o][i];
  }
}

template <class L>
void load_row(const float* pixels, int64_t image, int64_t channel, int64_t images, int64_t channels,
              int64_t width, const float* scale, const float* shift, char* lines) {
  constexpr int64_t kLanes = static_cast<int64_t>(sizeof(Floats) / sizeof(float));
  for (int64_t x = 0; x < width; ++x, ++pixels, lines += kLine) {
    Floats here[L::kChannels][L::kParts] = {};
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < L::kParts; ++p) {
        const float* from = pixels + p * kLanes * image + c * channel;
        if (images >= (p + 1) * kLanes) {
#pragma GCC unroll 16
          for (int64_t lane = 0; lane < kLanes; ++lane) here[c][p][lane] = from[lane * image];
        } else {
          for (int64_t lane = 0; lane < images - p * kLanes; ++lane) here[c][p][lane] = from[lane * image];
        }
        if (scale != nullptr) here[c][p] = here[c][p] * scale[c] + shift[c];
      }
    L::write(lines, here);
  }
}

template <class L>
void fill(const float* biases, int64_t outputs, int64_t positions, char* sums) {
  for (int64_t output = 0; output < outputs; ++output) {
    const Floats value = biases[output] - Floats{};
    Floats bias[L::kParts];
    for (int p = 0; p < L::kParts; ++p) bias[p] = value;
    for (int64_t i = 0; i < positions; ++i) L::write_sums(sums + (output * positions + i) * kLine, bias);
  }
}

template <class L>
void lift(const Map& map, int64_t outputs, int64_t positions, char* sums) {
  for (int64_t output = 0; output < outputs; output += L::kChannels) {
    const char* from = map.base + output / L::kChannels * map.channel;
    for (int64_t i = 0; i < positions; ++i) {
      Floats here[L::kChannels][L::kParts];
      L::read(from + map.at[i], here);
      for (int c = 0; c < L::kChannels && output + c < outputs; ++c)
        L::write_sums(sums + ((output + c) * positions + i) * kLine, here[c]);
    }
  }
}

template <class L>
void pool(const char* base, const int64_t* offsets, int64_t count, bool max, char* out) {
  Floats found[L::kChannels][L::kParts];
  L::read(base + offsets[0], found);
  for (int64_t i = 1; i < count; ++i) {
    Floats next[L::kChannels][L::kParts];
    L::read(base + offsets[i], next);
    for (int c = 0; c < L::kChannels; ++c)
      for (int p = 0; p < L::kParts; ++p)
        found[c][p] = max ? larger(found[c][p], next[c][p]) : found[c][p] + next[c][p];
  }
  if (!max)
    for (int c = 0; c < L::kChannels; ++c)
      for (int p = 0; p < L::kParts; ++p) found[c][p] *= 1.0f / static_cast<float>(count);
  L::write(out, found);
}

[[maybe_unused]] void rows_epilogue(const RowsEpilogue& e, float* values) {
  const int64_t size = e.rows * e.width;
  if (e.affine)
    for (int64_t i = 0; i < size; ++i) values[i] = values[i] * e.scale + e.shift;
  if (e.relu)
    for (int64_t i = 0; i < size; ++i) values[i] = values[i] < 0.0f ? 0.0f : values[i];
  if (e.pool == 1) return;
  const int64_t side = e.pool, width = e.width / side;
  const float share = 1.0f / static_cast<float>(side * side);
  for (int64_t r = 0; r < e.rows / side; ++r) {
    float* first = values + r * side * e.width;
    for (int64_t y = 1; y < side; ++y) {
      const float* next = first + y * e.width;
      for (int64_t x = 0; x < e.width; ++x)
        first[x] = e.max_pool ? larger(first[x], next[x]) : first[x] + next[x];
    }
    float* out = values + r * width;
    for (int64_t x = 0; x < width; ++x) {
      float found = first[x * side];
      for (int64_t i = 1; i < side; ++i) {
        const float next = first[x * side + i];
        found = e.max_pool ? larger(found, next) : found + next;
      }
      out[x] = e.max_pool ? found : found * share;
    }
  }
}

using Indices = int32_t __attribute__((vector_size(64)));
using LooseIndices = int32_t __attribute__((vector_size(64), aligned(4), may_alias));

[[maybe_unused]] void spread(const float* pixels, const int32_t* index, const uint32_t* mask, int64_t planes,
                             int64_t bytes, char* out) {
  const Floats values = load(reinterpret_cast<const char*>(pixels));
  for (int64_t plane = 0; plane < planes; ++plane) {
    const Indices from = *reinterpret_cast<const LooseIndices*>(index + plane * 16);
    const Words kept = load_words(reinterpret_cast<const char*>(mask + plane * 16));
    const Words line = bits<Words>(__builtin_shuffle(values, from)) & kept;
    __builtin_memcpy(out + plane * bytes, &line, bytes == kLine ? kLine : 16);
  }
}

template <class A, class L>
int64_t peak(int64_t loops) {
  constexpr int kSums = 12;
  typename A::Sum sum[kSums] = {};
  const Words zero{};
  auto operand = A::operand(reinterpret_cast<const char*>(&zero));
  auto weight = A::weight(0);
  for (int64_t loop = 0; loop < loops; ++loop) {
    // The compiler must not see that nothing changes.
    asm volatile("" : "+m"(weight), "+m"(operand));
    auto w = weight;
    auto x = operand;
#pragma GCC unroll 8
    for (int repeat = 0; repeat < 8; ++repeat)
#pragma GCC unroll 12
      for (int i = 0; i < kSums; ++i) A::add(sum[i], w, x);
  }
  for (int i = 0; i < kSums; ++i) asm volatile("" : : "m"(sum[i]));
  return loops * 8 * kSums * static_cast<int64_t>(sizeof(Words) / 4) * L::kChannels * L::kParts;
}

/// All tiles of at most 16 positions.
template <class A>
void fill_jobs(Kernels& kernels) {
  kernels.jobs[0][0] = jobs<A, 1, 1>, kernels.jobs[0][1] = jobs<A, 1, 2>, kernels.jobs[0][2] = jobs<A, 1, 4>;
  kernels.jobs[0][3] = jobs<A, 1, 8>, kernels.jobs[0][4] = jobs<A, 1, 16>;
  kernels.jobs[1][0] = jobs<A, 2, 1>, kernels.jobs[1][1] = jobs<A, 2, 2>, kernels.jobs[1][2] = jobs<A, 2, 4>;
  kernels.jobs[1][3] = jobs<A, 2, 8>;
  kernels.jobs[2][0] = jobs<A, 4, 1>, kernels.jobs[2][1] = jobs<A, 4, 2>, kernels.jobs[2][2] = jobs<A, 4, 4>;
  kernels.jobs[3][0] = jobs<A, 8, 1>, kernels.jobs[3][1] = jobs<A, 8, 2>;
}

template <class A, class L>
void fill_columns(Kernels& kernels) {
  kernels.columns[0][0] = columns<A, L, 1, 1>, kernels.columns[0][1] = columns<A, L, 1, 2>;
  kernels.columns[0][2] = columns<A, L, 1, 4>, kernels.columns[1][0] = columns<A, L, 2, 1>;
  kernels.columns[1][1] = columns<A, L, 2, 2>, kernels.columns[2][0] = columns<A, L, 4, 1>;
}

template <class A, class L>
Kernels all_kernels(const char* name) {
  Kernels kernels{};
  kernels.name = name;
  kernels.column_step = 1;
  kernels.narrow_jobs = A::kNarrow ? jobs<Fp32Narrow, 1, 1> : nullptr;
  fill_jobs<A>(kernels);
  fill_columns<A, L>(kernels);
  kernels.load = load_row<L>;
  kernels.fill = fill<L>;
  kernels.lift = lift<L>;
  kernels.epilogue = epilogue<L>;
  kernels.pool = pool<L>;
  kernels.rows = rows_epilogue;
  kernels.spread = spread;
  kernels.peak = peak<A, L>;
  return kernels;
}

}  // namespace
}  // namespace COPPICE_ISA
}  // namespace coppice::sparse
