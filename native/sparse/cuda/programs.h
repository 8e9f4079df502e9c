// Which programs compete on CUDA.
#pragma once
#include <array>

#include "sparse/engine.h"

namespace coppice::sparse::cuda {

/// The dense network in every type that `options` allow, and Coppice's kernels. With options.imitate only the
/// latter, on the CPU. `images`: a batch on the device to tune on.
std::vector<std::shared_ptr<Program>> programs(std::shared_ptr<const Stages> stages, at::Device device,
                                               const CompileOptions& options, const at::Tensor& images,
                                               Tuning& tuning, const Interrupt& interrupt);

}  // namespace coppice::sparse::cuda
