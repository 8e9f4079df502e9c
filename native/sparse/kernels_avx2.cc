// AVX2 and FMA; bf16 is unpacked to floats.
#define COPPICE_ISA avx2
#include "sparse/kernels.inl"

namespace coppice::sparse {

const Kernels* avx2_kernels(Arithmetic arithmetic) {
  using namespace avx2;
  static const Kernels fp32 = all_kernels<Fp32, Fp32Lines>("avx2");
  static const Kernels bf16 = all_kernels<Bf16, Bf16Lines>("avx2");
  return arithmetic == Arithmetic::kFp32 ? &fp32 : arithmetic == Arithmetic::kBf16 ? &bf16 : nullptr;
}

}  // namespace coppice::sparse
