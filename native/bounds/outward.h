// Bounds cast from float64 to another type, away from the values that they enclose. What is NaN stays NaN.
#pragma once
#include "bounds/backward.h"

namespace coppice {

/// The same bounds, but none where one overflowed: a lower bound of +∞ or an upper one of −∞ comes of a
/// coefficient that did, times a value that may be small.
at::Tensor lower_if_finite(const at::Tensor& lower);
at::Tensor upper_if_finite(const at::Tensor& upper);

/// Moved outwards by their error, where it is defined, and by the rounding of the cast.
Range outward(const RowBounds& bounds, at::ScalarType type);

/// The nearest normal numbers of `type` that enclose the range, or the range itself if it has that type
/// already. `sound` off only casts.
Range nearest_outward(const Range& range, at::ScalarType type, bool sound);

}  // namespace coppice
