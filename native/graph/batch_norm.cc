#include "graph/batch_norm.h"

#include "graph/rounding.h"

namespace coppice {

ScaleAndShift scale_and_shift(const BatchNorm2d& op, const NodeWeights& w) {
  const at::Tensor inverse = w.variance.to(at::kDouble).add(op.epsilon).rsqrt();
  const at::Tensor scale = w.weight.to(at::kDouble) * inverse;
  return {scale, w.bias.to(at::kDouble) - w.mean.to(at::kDouble) * scale};
}

BatchNormSizes sizes_behind(const ScaleAndShift& norm, const NodeWeights& w) {
  const at::Tensor scale = norm.scale.detach().abs().clamp_min(least_size(at::kDouble));
  return {scale, w.bias.detach().to(at::kDouble).abs() + w.mean.to(at::kDouble).abs() * scale};
}

}  // namespace coppice
