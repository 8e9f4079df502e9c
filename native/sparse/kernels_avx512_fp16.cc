// AVX512-FP16: 32 halves in a vector.
#define COPPICE_ISA avx512_fp16
#include "sparse/kernels.inl"
#include "sparse/kernels_fp16.inl"

namespace coppice::sparse {

const Kernels* avx512_fp16_kernels() {
  using namespace avx512_fp16;
  static const Kernels fp16 = all_kernels<Fp16, Fp16Lines>("avx512_fp16");
  return &fp16;
}

}  // namespace coppice::sparse
