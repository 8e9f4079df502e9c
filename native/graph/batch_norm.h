// Batch norm in evaluation mode as a scale and a shift.
#pragma once
#include "graph/network.h"

namespace coppice {

/// x·scale + shift in float64, each [channels].
struct ScaleAndShift {
  at::Tensor scale, shift;
};

/// Magnitudes behind them, for rounding bounds: of the scale, and of what the shift adds up.
struct BatchNormSizes {
  at::Tensor scale, shift;
};

/// (x − mean) · weight / √(variance + ε) + bias.
ScaleAndShift scale_and_shift(const BatchNorm2d& op, const NodeWeights& weights);
BatchNormSizes sizes_behind(const ScaleAndShift& norm, const NodeWeights& weights);

}  // namespace coppice
