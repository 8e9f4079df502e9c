// Transposed convolution of many small windows, fp32 on the CPU. oneDNN's takes them one image at a time and
// reaches a tenth to a half of the peak on windows of 3×3 to 14×14 with few channels.
#pragma once
#include <ATen/ATen.h>

namespace coppice {

/// A convolution's weight in the order that the kernel reads: panels of 32 columns (ky, kx, input channel),
/// for each output channel.
struct PackedWeight {
  at::Tensor panels;
  int64_t inputs, kernel;
};
PackedWeight pack_weight(const at::Tensor& weight);

/// What the convolution's inputs get from coefficients of its outputs: [rows, inputs, height, width] channels
/// last, from `values` [rows, outputs, h, w]. Output row i meets input rows i·stride − padding …; what lies
/// outside of height × width is dropped.
at::Tensor transposed_convolution(const at::Tensor& values, const PackedWeight& weight, int64_t stride,
                                  int64_t padding, int64_t height, int64_t width);

/// The same with gradients, for a weight [outputs, inputs, kernel, kernel].
at::Tensor recorded_transposed_convolution(const at::Tensor& values, const at::Tensor& weight, int64_t stride,
                                           int64_t padding, int64_t height, int64_t width);

}  // namespace coppice
