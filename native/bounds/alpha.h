// Lower lines of unstable ReLUs, optimised for every margin of every image (Xu et al., "Fast and complete",
// 2021).
#pragma once
#include "bounds/analysis.h"

namespace coppice {

/// Bounds of the rows with lower slopes in [0,1] that gradient ascent found, starting at those of `analysis`;
/// never looser than `start`, which are the bounds with those. The ranges inside stay as they are.
RowBounds with_optimised_lines(Analysis& analysis, const at::Tensor& rows, const at::Tensor& sample,
                               const RowBounds& start, const BoundSettings& settings,
                               const Interrupt& interrupt);

}  // namespace coppice
