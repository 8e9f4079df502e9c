// Intel AMX with bf16 operands (Sapphire Rapids on): about fifteen times the rate of floats.
#include <immintrin.h>

#define COPPICE_ISA amx
#define COPPICE_MULTIPLY_ADD_BF16(sum, weight, operand) \
  bits<Floats>(_mm512_dpbf16_ps(bits<__m512>(sum), bits<__m512bh>(weight), bits<__m512bh>(operand)))
#define COPPICE_PAIR_BF16(first, second)                                                                  \
  bits<Words>(_mm512_permutexvar_epi16(                                                                   \
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, \
                       20, 4, 19, 3, 18, 2, 17, 1, 16, 0),                                                \
      bits<__m512i>(_mm512_cvtne2ps_pbh(bits<__m512>(second), bits<__m512>(first)))))
#include "sparse/kernels.inl"
#include "sparse/kernels_amx.inl"

namespace coppice::sparse {
namespace amx {
namespace {

/// The CPU's tiles, all of 16 rows of 64 bytes while this lives.
class Tiles {
 public:
  Tiles() {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } shapes;
    for (int tile = 0; tile < 8; ++tile) shapes.bytes[tile] = kLine, shapes.rows[tile] = kSide;
    // The intrinsic of some compilers reads no more than eight bytes of it, as far as they can see.
    asm volatile("ldtilecfg %0" : : "m"(shapes));
  }
  ~Tiles() { _tile_release(); }

  // The intrinsics take numbers only as literals.
  template <int kIndex>
  [[gnu::always_inline]] void load(const char* from, int64_t apart) {
    // Lines were stored by plain instructions; the compiler must not move those behind this.
    asm volatile("" : : : "memory");
    if constexpr (kIndex == 0) _tile_loadd(0, from, apart);
    if constexpr (kIndex == 1) _tile_loadd(1, from, apart);
    if constexpr (kIndex == 2) _tile_loadd(2, from, apart);
    if constexpr (kIndex == 3) _tile_loadd(3, from, apart);
    if constexpr (kIndex == 4) _tile_loadd(4, from, apart);
    if constexpr (kIndex == 5) _tile_loadd(5, from, apart);
    if constexpr (kIndex == 6) _tile_loadd(6, from, apart);
    if constexpr (kIndex == 7) _tile_loadd(7, from, apart);
  }
  template <int kIndex>
  [[gnu::always_inline]] void save(char* to, int64_t apart) {
    if constexpr (kIndex == 0) _tile_stored(0, to, apart);
    if constexpr (kIndex == 1) _tile_stored(1, to, apart);
    if constexpr (kIndex == 2) _tile_stored(2, to, apart);
    if constexpr (kIndex == 3) _tile_stored(3, to, apart);
  }
  template <int kSums, int kWeights, int kLines>
  [[gnu::always_inline]] void multiply() {
    if constexpr (kSums == 0) _tile_dpbf16ps(0, 4, 6);
    if constexpr (kSums == 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kSums == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kSums == 3) _tile_dpbf16ps(3, 5, 7);
    static_assert(kWeights == 4 + kSums / 2 && kLines == 6 + kSums % 2);
  }
};

}  // namespace
}  // namespace amx

const Kernels* amx_kernels() {
  using namespace amx;
  static const Kernels bf16 = with_tiles<Tiles>(all_kernels<Bf16, Bf16Lines>("amx"), "amx");
  return &bf16;
}

}  // namespace coppice::sparse
