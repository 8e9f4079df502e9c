#include "bounds/outward.h"

#include <limits>

namespace coppice {

Range outward(const RowBounds& bounds, at::ScalarType type) {
  if (!bounds.error.defined()) return {bounds.low.to(type), bounds.high.to(type)};
  const bool is_double = type == at::kDouble;
  const double unit = is_double ? 0x1p-51 : 0x1p-22;
  const double least = is_double ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  const double most = is_double ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  const at::Tensor error = bounds.error * 1.01;
  const at::Tensor low = bounds.low - error, high = bounds.high + error;
  // No finite bound may become infinite in the direction that would claim more.
  return {(low - (low.abs() * unit + least)).clamp_max(most).to(type),
          (high + (high.abs() * unit + least)).clamp_min(-most).to(type)};
}

Range nearest_outward(const Range& range, at::ScalarType type, bool sound) {
  const auto cast = [&](const at::Tensor& values, double towards) {
    const at::Tensor rounded = values.to(type);
    if (!sound || values.scalar_type() == type) return rounded;
    return at::nextafter(rounded, at::full_like(rounded, towards));
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return {cast(range.lower, -kInfinity), cast(range.upper, kInfinity)};
}

}  // namespace coppice
