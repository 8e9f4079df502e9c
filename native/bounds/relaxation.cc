#include "bounds/relaxation.h"

#include <limits>

#include "graph/rounding.h"

namespace coppice {

at::Tensor crosses_zero(const Range& in) { return in.lower.ge(0).logical_or(in.upper.le(0)).logical_not(); }

at::Tensor crosses_zero(const Lines& lines) {
  return lines.upper_intercept.gt(2 * least_size(lines.upper_intercept.scalar_type()));
}

Lines relu_lines(const Range& in, LowerSlope slope, bool sound, bool detach) {
  const at::Tensor crosses = crosses_zero(in);
  const at::Tensor on = in.lower.ge(0).to(in.lower.scalar_type());
  const at::Tensor zero = at::zeros_like(on);
  // Where nothing crosses, any width keeps the unused branch and its gradient finite.
  at::Tensor width = at::where(crosses, in.upper - in.lower, at::ones_like(on));
  if (detach) width = width.detach();
  const at::Tensor chord = at::where(crosses, (in.upper / width).clamp_max(1), on);
  at::Tensor intercept = at::where(crosses, -chord * in.lower, zero);
  if (sound) {
    const bool is_double = on.scalar_type() == at::kDouble;
    const double unit =
        is_double ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
    const at::Tensor exact = at::maximum(-chord * in.lower, (1 - chord) * in.upper);
    intercept = at::where(crosses, exact * (1 + 4 * unit), zero).add_(least_size(on.scalar_type()));
  }
  if (slope == LowerSlope::kParallel) return {chord, chord, intercept, {}};
  const at::Tensor adaptive = at::where(crosses, in.upper.gt(-in.lower).to(on.scalar_type()), on);
  return {adaptive.detach(), chord, intercept, {}};
}

Range relu_range(const Range& in, const Lines& lines) {
  return {at::where(in.lower.lt(0), lines.lower_slope * in.lower, in.lower), at::relu(in.upper)};
}

PoolLines max_pool_lines(const MaxPool2d& op, const Range& in, bool sound) {
  const auto [lower, index] = at::max_pool2d_with_indices(in.lower, op.kernel, op.stride);
  const at::Tensor upper = at::max_pool2d(in.upper, op.kernel, op.stride);
  // The greatest upper bound of the other inputs: that of all, with the chosen one left out, window by
  // window.
  const int64_t channels = in.lower.size(1);
  const auto windows = [&](const at::Tensor& map) {
    return map.unfold(2, op.kernel, op.stride).unfold(3, op.kernel, op.stride).flatten(4);
  };
  const int64_t height = in.lower.size(2), width = in.lower.size(3);
  const at::Tensor place = at::arange(height * width, index.options()).view({1, 1, height, width});
  const at::Tensor others = windows(in.upper).masked_fill(
      windows(place.expand({1, channels, height, width})).eq(index.unsqueeze(-1)),
      -std::numeric_limits<double>::infinity());
  at::Tensor most = others.amax(-1);
  // Beyond what a comparison of denormal numbers may miss.
  if (sound) most = most + least_size(most.scalar_type());
  const at::Tensor alone = lower.ge(most);
  return {index, alone.to(in.lower.scalar_type()), upper};
}

}  // namespace coppice
