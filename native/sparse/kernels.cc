#include "sparse/kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#define COPPICE_X86 1
#endif

namespace coppice::sparse {

const Kernels* portable_kernels(Arithmetic arithmetic);
#ifdef COPPICE_X86
const Kernels* avx2_kernels(Arithmetic arithmetic);
const Kernels* avx512_kernels(Arithmetic arithmetic);
const Kernels* avx512_bf16_kernels();
const Kernels* avx512_fp16_kernels();

namespace {

/// Bit 23 of EDX of leaf 7, which __builtin_cpu_supports does not know by name in every compiler.
bool has_avx512_fp16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 23 & 1) != 0;
}
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace
#endif

KernelChoice kernels_for(Arithmetic arithmetic, bool portable_only) {
#ifdef COPPICE_X86
  if (!portable_only) {
    if (arithmetic == Arithmetic::kFp16 && has_avx512() && has_avx512_fp16())
      return {avx512_fp16_kernels(), true};
    if (arithmetic == Arithmetic::kBf16 && has_avx512() && __builtin_cpu_supports("avx512bf16"))
      return {avx512_bf16_kernels(), true};
    if (arithmetic != Arithmetic::kFp16 && has_avx512())
      return {avx512_kernels(arithmetic), arithmetic == Arithmetic::kFp32};
    if (arithmetic != Arithmetic::kFp16 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      return {avx2_kernels(arithmetic), arithmetic == Arithmetic::kFp32};
  }
#endif
  return {portable_kernels(arithmetic), arithmetic == Arithmetic::kFp32};
}

}  // namespace coppice::sparse
