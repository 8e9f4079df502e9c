// Coppice's own kernels for batches on CUDA, put together to a program; on the CPU it imitates them, for
// checks.
#pragma once
#include "sparse/cuda/launch.h"
#include "sparse/program.h"

namespace coppice::sparse::cuda {

struct PlanarOptions {
  at::Device device = at::kCPU;
  bool bf16 = false;  ///< activations and weights; sums are in fp32 always
  int64_t batch = 1;
  /// Of every product; none where each is chosen by measuring.
  std::optional<Version> version;
};

/// Fastest where it is measured on `images`, batch of them on the device; known choices are taken from
/// `tuning`, to which new ones are added. Throws std::invalid_argument where `version` cannot compute a
/// stage.
std::unique_ptr<Program> planar(const Stages& stages, const PlanarOptions& options, const float* images,
                                Tuning& tuning, const Interrupt& interrupt);

}  // namespace coppice::sparse::cuda
