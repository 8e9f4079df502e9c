#include "sparse/kernels.h"

#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#define COPPICE_X86 1
#endif

namespace coppice::sparse {

const Kernels* portable_kernels(Arithmetic arithmetic);
const Kernels* imitated_tile_kernels();
#ifdef COPPICE_X86
const Kernels* avx2_kernels(Arithmetic arithmetic);
const Kernels* avx512_kernels(Arithmetic arithmetic);
const Kernels* avx512_bf16_kernels();
const Kernels* avx512_fp16_kernels();
const Kernels* amx_kernels();

namespace {

/// A bit of EDX of leaf 7; not every compiler knows the newest ones by name.
bool has_feature(int bit) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> bit & 1) != 0;
}
bool has_avx512_fp16() { return has_feature(23); }
/// Whether there are tiles for bf16, and the kernel lets this process have their registers.
bool has_amx() {
#ifdef __linux__
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  static const bool granted =
      has_feature(22) && has_feature(24) && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace
#endif

namespace {

/// Small numbers whose products and sums every arithmetic holds exactly: 1, −½, ¼, 1½.
uint32_t small_number(Arithmetic arithmetic, uint32_t random) {
  static constexpr uint32_t floats[] = {0x3f800000, 0xbf000000, 0x3e800000, 0x3fc00000};
  static constexpr uint32_t halves[] = {0x3c00, 0xb800, 0x3400, 0x3e00};
  const uint32_t first = random >> 20 & 3, second = random >> 24 & 3;
  if (arithmetic == Arithmetic::kFp32) return floats[first];
  if (arithmetic == Arithmetic::kBf16) return floats[first] >> 16 | (floats[second] & 0xffff0000);
  return halves[first] * 0x10001;
}

/// Whether kernels give the reference's bits on a small product by jobs and by columns: instructions that
/// misbehave on some machine are not used there. Both must take columns in the same order.
bool agree(const Kernels& kernels, const Kernels& reference, Arithmetic arithmetic) {
  constexpr int64_t kLines = 32, kColumns = 16, kPositions = 4, kWords = kLine / 4;
  alignas(64) static thread_local uint32_t lines[kLines * kWords], words[kColumns * kGroup];
  alignas(64) static thread_local char sums[2][2][kGroup * kPositions * kLine];
  uint32_t state = 1;
  const auto next = [&] { return small_number(arithmetic, state = state * 1664525u + 1013904223u); };
  for (uint32_t& word : lines) word = next();
  for (uint32_t& word : words) word = next();
  uint32_t offsets[kColumns];
  Entry entries[kColumns];
  for (uint32_t k = 0; k < kColumns; ++k) {
    offsets[k] = k * 7 % (kLines - kPositions) * kLine;
    entries[k] = {offsets[k], words[k]};
  }
  const Job job{3, kColumns};
  const int64_t rows[1] = {0};
  float biases[kGroup];
  for (int i = 0; i < kGroup; ++i) biases[i] = 0.25f * static_cast<float>(i % 8);
  const auto* base = reinterpret_cast<const char*>(lines);
  for (int which = 0; which < 2; ++which) {
    const Kernels& used = which == 0 ? kernels : reference;
    used.fill(biases, kGroup, kPositions, sums[which][0]);
    used.jobs[0][2](&job, &job + 1, entries, base, rows, sums[which][0]);
    used.columns[0][2](offsets, kColumns, words, biases, kGroup, base, rows,
                       Target{sums[which][1], kPositions, nullptr, {0, 1, 2, 3}, 0});
  }
  return std::memcmp(sums[0], sums[1], sizeof sums[0]) == 0;
}

}  // namespace

KernelChoice kernels_for(Arithmetic arithmetic, Instructions instructions) {
  const Kernels* portable = portable_kernels(arithmetic);
  const bool fp32 = arithmetic == Arithmetic::kFp32, bf16 = arithmetic == Arithmetic::kBf16;
  if (instructions == Instructions::kImitated && bf16) return {imitated_tile_kernels(), false};
#ifdef COPPICE_X86
  if (instructions == Instructions::kBest) {
    if (bf16 && has_avx512() && __builtin_cpu_supports("avx512bf16")) {
      static const bool tiles =
          has_amx() && agree(*amx_kernels(), *imitated_tile_kernels(), Arithmetic::kBf16);
      static const bool pairs = agree(*avx512_bf16_kernels(), *portable, Arithmetic::kBf16);
      if (tiles || pairs) return {tiles ? amx_kernels() : avx512_bf16_kernels(), true};
    }
    if (arithmetic == Arithmetic::kFp16) {
      static const bool halves =
          has_avx512() && has_avx512_fp16() && agree(*avx512_fp16_kernels(), *portable, Arithmetic::kFp16);
      if (halves) return {avx512_fp16_kernels(), true};
    } else if (has_avx512()) {
      return {avx512_kernels(arithmetic), fp32};
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      return {avx2_kernels(arithmetic), fp32};
    }
  }
#endif
  return {portable, fp32};
}

}  // namespace coppice::sparse
