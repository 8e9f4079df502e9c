// Lines around the nonlinear operations, from the ranges of their inputs.
#pragma once
#include "bounds/interval.h"
#include "bounds/rows.h"

namespace coppice {

/// Slope of the line below an unstable ReLU; the one above is the chord, u/(u−l).
enum class LowerSlope {
  kParallel,  ///< the chord's (Wang et al., 2018; Wong and Kolter, 2018; Weng et al., "Fast-Lin", 2018)
  kAdaptive   ///< 1 if u > −l, else 0, which leaves the smaller triangle (Zhang et al., "CROWN", 2018)
};

/// Whether a ReLU with this input is neither always on nor always off. What is NaN may be either.
at::Tensor crosses_zero(const Range& in);

/// Lines around ReLUs. `sound` makes them hold for the slopes as rounded, and for inputs that leave their
/// range by what denormal numbers lose. `detach` lets no gradient through
/// the denominator of the chord's slope.
Lines relu_lines(const Range& in, LowerSlope slope, bool sound, bool detach);

/// Range of ReLUs' outputs between their lines, which may go below zero. A neuron that this range proves
/// stable is stable by the backward pass too, since that is at least as tight.
Range relu_range(const Range& in, const Lines& lines);

/// A max pool window is enclosed from below by its input with the greatest lower bound, from above by the
/// same input if it is always the greatest, else by the greatest upper bound (Singh et al., "DeepPoly",
/// 2019).
struct PoolLines {
  at::Tensor index;  ///< int64: place of that input in its map
  at::Tensor alone;  ///< whether it is always the greatest: 0 or 1
  at::Tensor upper;  ///< greatest upper bound
};
PoolLines max_pool_lines(const MaxPool2d& op, const Range& in, bool sound);

/// Where neurons cross zero, as far as lines tell: their upper lines lie above zero by more than rounding.
at::Tensor crosses_zero(const Lines& lines);

}  // namespace coppice
