// Convolution with what can be done to its output at once.
#pragma once
#include <ATen/ATen.h>

namespace coppice {

struct Convolution {
  const at::Tensor& weight;  ///< in the type and layout of what it is applied to
  const at::Tensor& bias;    ///< may be undefined
  int64_t stride, padding;
};

/// The convolution of x, plus `residual` where that is defined, and ReLU of it: one kernel where cuDNN has
/// one. An output that nobody else holds.
at::Tensor convolve(const at::Tensor& x, const Convolution& by, const at::Tensor& residual, bool relu);

}  // namespace coppice
