#include "sparse/kernels.h"

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

KernelChoice kernels_for(Arithmetic arithmetic, Instructions instructions) {
  if (instructions == Instructions::kImitated && arithmetic == Arithmetic::kBf16)
    return {imitated_tile_kernels(), false};
#ifdef COPPICE_X86
  if (instructions == Instructions::kBest && arithmetic == Arithmetic::kFp16) {
    if (has_avx512() && has_avx512_fp16()) return {avx512_fp16_kernels(), true};
  } else if (instructions == Instructions::kBest) {
    const bool bf16 = arithmetic == Arithmetic::kBf16;
    if (bf16 && has_avx512() && __builtin_cpu_supports("avx512bf16"))
      return {has_amx() ? amx_kernels() : avx512_bf16_kernels(), true};
    if (has_avx512()) return {avx512_kernels(arithmetic), !bf16};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      return {avx2_kernels(arithmetic), !bf16};
  }
#endif
  return {portable_kernels(arithmetic), arithmetic == Arithmetic::kFp32};
}

}  // namespace coppice::sparse
