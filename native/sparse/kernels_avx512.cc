// AVX-512 (F, BW, DQ, VL); bf16 is unpacked to floats.
#define COPPICE_ISA avx512
#include "sparse/kernels.inl"

namespace coppice::sparse {

const Kernels* avx512_kernels(Arithmetic arithmetic) {
  using namespace avx512;
  static const Kernels fp32 = all_kernels<Fp32, Fp32Lines>("avx512");
  static const Kernels bf16 = all_kernels<Bf16, Bf16Lines>("avx512");
  return arithmetic == Arithmetic::kFp32 ? &fp32 : arithmetic == Arithmetic::kBf16 ? &bf16 : nullptr;
}

}  // namespace coppice::sparse
