// AVX512_BF16: dot products of pairs. On AMD (Zen 4 on) at twice the rate of floats.
#include <immintrin.h>

#define COPPICE_ISA avx512_bf16
#define COPPICE_MULTIPLY_ADD_BF16(sum, weight, operand) \
  bits<Floats>(_mm512_dpbf16_ps(bits<__m512>(sum), bits<__m512bh>(weight), bits<__m512bh>(operand)))
#define COPPICE_PAIR_BF16(first, second)                                                                  \
  bits<Words>(_mm512_permutexvar_epi16(                                                                   \
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, \
                       20, 4, 19, 3, 18, 2, 17, 1, 16, 0),                                                \
      bits<__m512i>(_mm512_cvtne2ps_pbh(bits<__m512>(second), bits<__m512>(first)))))
#include "sparse/kernels.inl"

namespace coppice::sparse {

const Kernels* avx512_bf16_kernels() {
  using namespace avx512_bf16;
  static const Kernels bf16 = all_kernels<Bf16, Bf16Lines>("avx512_bf16");
  return &bf16;
}

}  // namespace coppice::sparse
