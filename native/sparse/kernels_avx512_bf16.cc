// AVX512_BF16: dot products of pairs. On AMD (Zen 4 on) at twice the rate of floats.
#include <immintrin.h>

#define COPPICE_ISA avx512_bf16
#define COPPICE_MULTIPLY_ADD_BF16(sum, weight, operand)                                               \
  bits<Floats>(_mm512_dpbf16_ps(bits<__m512>(sum), bits<__m512bh>(weight), bits<__m512bh>(operand)))
#include "sparse/kernels.inl"

namespace coppice::sparse {

const Kernels* avx512_bf16_kernels() {
  using namespace avx512_bf16;
  static const Kernels bf16 = all_kernels<Bf16, Bf16Lines>("avx512_bf16");
  return &bf16;
}

}  // namespace coppice::sparse
