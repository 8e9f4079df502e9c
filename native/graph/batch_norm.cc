#include "graph/batch_norm.h"

#include "graph/rounding.h"

namespace coppice {

ScaleAndShift scale_and_shift(const BatchNorm2d& op, const NodeWeights& w) {
  const at::Tensor inverse = w.variance.to(at::kDouble).add(op.epsilon).rsqrt();
  const at::Tensor scale = w.weight.to(at::kDouble) * inverse;
  const at::Tensor mean = w.mean.to(at::kDouble), bias = w.bias.to(at::kDouble);
  const at::Tensor moved = mean * scale;
  const at::Tensor size = scale.detach().abs().clamp_min(least_size(at::kDouble));
  return {scale, bias - moved, size, bias.detach().abs() + mean.abs() * size};
}

}  // namespace coppice
