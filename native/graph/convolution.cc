#include "graph/convolution.h"

#include <ATen/Context.h>

#include <atomic>

namespace coppice {
namespace {

std::vector<int64_t> both(int64_t value) { return {value, value}; }

/// Undefined where cuDNN has no fused form for these types and sizes, on this device.
at::Tensor fused(const at::Tensor& x, const Convolution& by, const at::Tensor& residual) {
  // What is refused once is not asked for again: refusals cost time, and do not depend on the numbers.
  static std::atomic<bool> refused[2] = {false, false};
  std::atomic<bool>& refuses = refused[residual.defined()];
  if (refuses) return {};
  const std::optional<at::Tensor> bias = by.bias.defined() ? std::optional(by.bias) : std::nullopt;
  try {
    if (!residual.defined())
      return at::cudnn_convolution_relu(x, by.weight, bias, both(by.stride), both(by.padding), both(1), 1);
    return at::cudnn_convolution_add_relu(x, by.weight, residual, 1, bias, both(by.stride), both(by.padding),
                                          both(1), 1);
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::AcceleratorError&) {
    throw;
  } catch (const c10::Error&) {
    refuses = true;
    return {};
  }
}

}  // namespace

at::Tensor convolve(const at::Tensor& x, const Convolution& by, const at::Tensor& residual, bool relu) {
  // cuDNN's fused forms are for 32 bits and less, and take any algorithm, deterministic or not.
  if (relu && x.is_cuda() && x.scalar_type() != at::kDouble && !at::globalContext().deterministicCuDNN())
    if (at::Tensor y = fused(x, by, residual); y.defined()) return y;
  at::Tensor y = at::conv2d(x, by.weight, by.bias, both(by.stride), both(by.padding));
  if (residual.defined()) y.add_(residual);
  return relu ? y.relu_() : y;
}

}  // namespace coppice
