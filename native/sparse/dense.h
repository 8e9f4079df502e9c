// The dense network as fast as libtorch runs it: what sparse programs are measured against, and what is used
// where none of them is faster.
#pragma once
#include "sparse/program.h"

namespace coppice::sparse {

struct DenseOptions {
  at::ScalarType type;  ///< fp32 or bf16; fp16 on CUDA
  bool prepacked;  ///< weights in oneDNN's own layout, ReLU and addition fused; else libtorch's convolutions,
                   ///< on CUDA in cuDNN's fused forms
  int threads;
  int64_t batch;  ///< that weights are packed for
  at::Device device = at::kCPU;
  bool tf32 = false;  ///< on CUDA: whether convolutions may round fp32 operands to TF32
};

/// In channels-last layout, batch norm folded. Throws what libtorch throws where this build cannot do it.
std::unique_ptr<Program> dense_program(std::shared_ptr<const Stages> stages, const DenseOptions& options);

}  // namespace coppice::sparse
