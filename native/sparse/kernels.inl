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

template <class A, int kRows, int kColumns>
void columns(const uint32_t* offsets, int64_t count, const uint32_t* weights, const float* biases,
             int64_t outputs, const char* base, const int64_t* rows, char* sums, int64_t positions) {
  constexpr int kTile = kRows * kColumns;
  constexpr int kOutputs = kTile >= 4 ? 4 : kTile == 2 ? 8 : 16;
  const char* row[kRows];
  for (int r = 0; r < kRows; ++r) row[r] = base + rows[r];
  for (int64_t first = 0; first < outputs; first += kOutputs) {
    typename A::Sum sum[kOutputs][kTile];
    char* place = sums + first * positions * kLine;
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
#pragma GCC unroll 16
    for (int o = 0; o < kOutputs; ++o)
#pragma GCC unroll 4
      for (int i = 0; i < kTile; ++i)
        *reinterpret_cast<typename A::Sum*>(place + (o * positions + i) * kLine) = sum[o][i];
  }
}

/// A line's channels apart, as floats, and together again.
struct Fp32Lines {
  static constexpr int kChannels = 1, kParts = 1;  ///< floats of 16 images each
  [[gnu::always_inline]] static void read(const char* at, Floats (*channel)[1]) { channel[0][0] = load(at); }
  [[gnu::always_inline]] static void write(char* at, const Floats (*channel)[1]) { store(at, channel[0][0]); }
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
  [[gnu::always_inline]] static void sums(const char* at, Floats* parts) { parts[0] = load(at); }
  [[gnu::always_inline]] static void write_sums(char* at, const Floats* parts) { store(at, parts[0]); }
};

/// The second where they cannot be compared.
[[gnu::always_inline]] inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }

/// The values of row r, column x of the channels of one line, with all but pooling done.
template <class L>
[[gnu::always_inline]] inline void finished(const Epilogue& e, const char* sums, int64_t output, int64_t r, int64_t x,
                                            Floats (*here)[L::kParts]) {
  const int64_t line = output / L::kChannels, tile = e.rows * e.columns * kLine;
  const char* from = sums + output * tile + (r * e.columns + x) * kLine;
#pragma GCC unroll 2
  for (int c = 0; c < L::kChannels; ++c) {
    // An odd last channel has no partner.
    if (output + c < e.outputs) {
      L::sums(from + c * tile, here[c]);
    } else {
      for (int p = 0; p < L::kParts; ++p) here[c][p] = Floats{};
    }
  }
  if (e.residual.base != nullptr) {
    Floats more[L::kChannels][L::kParts];
    L::read(e.residual.base + line * e.residual.channel + e.residual.at[r] + x * kLine, more);
#pragma GCC unroll 2
    for (int c = 0; c < L::kChannels; ++c)
      for (int p = 0; p < L::kParts; ++p) here[c][p] += more[c][p];
  }
  if (e.raw.base != nullptr) L::write(e.raw.base + line * e.raw.channel + e.raw.at[r] + x * kLine, here);
#pragma GCC unroll 2
  for (int c = 0; c < L::kChannels; ++c) {
    for (int p = 0; p < L::kParts; ++p) {
      if (e.scale != nullptr && output + c < e.outputs)
        here[c][p] = here[c][p] * e.scale[output + c] + e.shift[output + c];
      // NaN passes, as through libtorch's ReLU.
      if (e.relu) here[c][p] = larger(Floats{}, here[c][p]);
    }
  }
}

template <class L>
void epilogue(const Epilogue& e, const char* sums) {
  for (int64_t output = 0; output < e.outputs; output += L::kChannels) {
    char* out = e.output.base + output / L::kChannels * e.output.channel;
    if (e.pool == 1) {
      for (int64_t r = 0; r < e.rows; ++r) {
        for (int64_t x = 0; x < e.columns; ++x) {
          Floats here[L::kChannels][L::kParts];
          finished<L>(e, sums, output, r, x, here);
          L::write(out + e.output.at[r] + x * kLine, here);
        }
      }
      continue;
    }
    for (int64_t r = 0, top = 0; top < e.rows; ++r, top += e.pool) {
      for (int64_t x = 0, left = 0; left < e.columns; ++x, left += e.pool) {
        Floats found[L::kChannels][L::kParts];
        finished<L>(e, sums, output, top, left, found);
        for (int64_t down = 0; down < e.pool; ++down) {
          for (int64_t along = down == 0 ? 1 : 0; along < e.pool; ++along) {
            Floats next[L::kChannels][L::kParts];
            finished<L>(e, sums, output, top + down, left + along, next);
            for (int c = 0; c < L::kChannels; ++c)
              for (int p = 0; p < L::kParts; ++p)
                found[c][p] = e.max_pool ? larger(found[c][p], next[c][p]) : found[c][p] + next[c][p];
          }
        }
        if (!e.max_pool)
          for (int c = 0; c < L::kChannels; ++c)
            for (int p = 0; p < L::kParts; ++p) found[c][p] *= 1.0f / static_cast<float>(e.pool * e.pool);
        L::write(out + e.output.at[r] + x * kLine, found);
      }
    }
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
void lift(const Map& map, int64_t outputs, int64_t rows, int64_t columns, char* sums) {
  const int64_t tile = rows * columns * kLine;
  for (int64_t output = 0; output < outputs; output += L::kChannels) {
    const char* from = map.base + output / L::kChannels * map.channel;
    char* to = sums + output * tile;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t x = 0; x < columns; ++x, to += kLine) {
        Floats here[L::kChannels][L::kParts];
        L::read(from + map.at[r] + x * kLine, here);
        for (int c = 0; c < L::kChannels && output + c < outputs; ++c) L::write_sums(to + c * tile, here[c]);
      }
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
        first[x] = e.max_pool ? (first[x] > next[x] ? first[x] : next[x]) : first[x] + next[x];
    }
    float* out = values + r * width;
    for (int64_t x = 0; x < width; ++x) {
      float found = first[x * side];
      for (int64_t i = 1; i < side; ++i) {
        const float next = first[x * side + i];
        found = e.max_pool ? (found > next ? found : next) : found + next;
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

template <class A>
void fill_columns(Kernels& kernels) {
  kernels.columns[0][0] = columns<A, 1, 1>, kernels.columns[0][1] = columns<A, 1, 2>;
  kernels.columns[0][2] = columns<A, 1, 4>, kernels.columns[1][0] = columns<A, 2, 1>;
  kernels.columns[1][1] = columns<A, 2, 2>, kernels.columns[2][0] = columns<A, 4, 1>;
}

template <class A, class L>
Kernels all_kernels(const char* name) {
  Kernels kernels{};
  kernels.name = name;
  kernels.column_step = 1;
  kernels.narrow_jobs = A::kNarrow ? jobs<Fp32Narrow, 1, 1> : nullptr;
  fill_jobs<A>(kernels);
  fill_columns<A>(kernels);
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
