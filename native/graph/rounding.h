// The model of rounding errors on which the soundness of bounds rests (docs/verification.md).
//
// Every operation in arithmetic of a type gives (a ∘ b)·(1 + δ) + η with |δ| ≤ u, its unit roundoff (Higham,
// "Accuracy and Stability of Numerical Algorithms", 2002, sections 2.2 and 3.1). η is what denormal numbers
// lose: kernels may round them, or flush operands and results to zero, so that it is at most the type's
// smallest normal number for each of the three.
#pragma once
#include <ATen/ATen.h>

namespace coppice {

/// Bound of the relative rounding error of a sum of so many products, in any order: γₙ = n·u / (1 − n·u). It
/// covers that the magnitudes which it multiplies were summed in the same arithmetic; infinite where n is too
/// large for that.
double rounding(int64_t terms, at::ScalarType type);

/// Bound of what so many products lose that are too small for `type`.
double underflow(int64_t products, at::ScalarType type);

/// The least that counts as the magnitude of a number where rounding errors are bounded. A weight or a value
/// that is cast or flushed loses up to the smallest normal number, which another factor may bring back;
/// rounding(1) times this is far more. It is far less than what a usual network's numbers are rounded by, and
/// the product of two of it is a normal number still, which is fast.
double least_size(at::ScalarType type);

/// How much of what cancels in float64 counts as a magnitude in `type`: sixteen units of `type`'s rounding
/// times this exceed float64's own.
double cancellation(at::ScalarType type);

/// Throws std::invalid_argument where the environment lets oneDNN compute fp32 in less precise arithmetic.
void require_strict_arithmetic();

}  // namespace coppice
