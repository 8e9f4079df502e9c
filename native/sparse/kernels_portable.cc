// For any CPU: the compiler makes of the vectors what there is.
#define COPPICE_ISA portable
#define COPPICE_IMITATE_FP16
#include "sparse/kernels.inl"
#include "sparse/kernels_amx.inl"
#include "sparse/kernels_fp16.inl"

namespace coppice::sparse {

const Kernels* portable_kernels(Arithmetic arithmetic) {
  using namespace portable;
  static const Kernels fp32 = all_kernels<Fp32, Fp32Lines>("portable");
  static const Kernels bf16 = all_kernels<Bf16, Bf16Lines>("portable");
  static const Kernels fp16 = all_kernels<Fp16, Fp16Lines>("portable, imitated");
  return arithmetic == Arithmetic::kFp32 ? &fp32 : arithmetic == Arithmetic::kBf16 ? &bf16 : &fp16;
}

const Kernels* imitated_tile_kernels() {
  using namespace portable;
  static const Kernels bf16 =
      with_tiles<ImitatedTiles>(all_kernels<Bf16, Bf16Lines>("portable"), "amx, imitated");
  return &bf16;
}

}  // namespace coppice::sparse
