// A program whose whole batch is replayed as one CUDA graph.
#pragma once
#include "sparse/program.h"

namespace coppice::sparse::cuda {

/// `input` is an image's shape. What cannot be captured runs kernel by kernel, and its name says no CUDA
/// graph.
std::unique_ptr<Program> captured(std::unique_ptr<Program> program, at::Device device, int64_t batch,
                                  const Value& input, int64_t classes);

}  // namespace coppice::sparse::cuda
