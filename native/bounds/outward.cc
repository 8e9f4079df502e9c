#include "bounds/outward.h"

#include <limits>

namespace coppice {
namespace {

/// What a cast loses where its result is a denormal number, which this process flushes to zero.
double flushed(at::ScalarType type) {
  return type == at::kDouble ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
}

}  // namespace

at::Tensor lower_if_finite(const at::Tensor& lower) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return lower.masked_fill(lower.eq(kInfinity), -kInfinity);
}

at::Tensor upper_if_finite(const at::Tensor& upper) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return upper.masked_fill(upper.eq(-kInfinity), kInfinity);
}

Range outward(const RowBounds& bounds, at::ScalarType type) {
  if (!bounds.error.defined()) return {bounds.low.to(type), bounds.high.to(type)};
  const bool is_double = type == at::kDouble;
  const double unit = is_double ? 0x1p-51 : 0x1p-22;
  const double most = is_double ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  const at::Tensor error = bounds.error * 1.01;
  const at::Tensor low = lower_if_finite(bounds.low - error), high = upper_if_finite(bounds.high + error);
  // No finite bound may become infinite in the direction that would claim more.
  return {(low - (low.abs() * unit + flushed(type))).clamp_max(most).to(type),
          (high + (high.abs() * unit + flushed(type))).clamp_min(-most).to(type)};
}

Range nearest_outward(const Range& range, at::ScalarType type, bool sound) {
  if (!sound || range.lower.scalar_type() == type) return {range.lower.to(type), range.upper.to(type)};
  const auto cast = [&](const at::Tensor& values, double sign) {
    const at::Tensor rounded = (values + sign * flushed(type)).to(type);
    return at::nextafter(rounded, at::full_like(rounded, sign * std::numeric_limits<double>::infinity()));
  };
  return {cast(range.lower, -1), cast(range.upper, 1)};
}

}  // namespace coppice
