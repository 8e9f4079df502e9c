// Batch norm in training over a batch whose parts are on several devices.
#pragma once
#include <ATen/ATen.h>

#include "device/group.h"

namespace coppice {

struct RunningStatistics {
  at::Tensor mean, variance;  ///< moved towards the batch's; undefined: they stay
  double momentum;
};

/// Normalizes by mean and variance of the whole batch, which are added up in float64; every part's gradient
/// goes through them. `part` must outlive the backward pass.
at::Tensor shared_batch_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                             const RunningStatistics& running, double epsilon, const Part& part);

}  // namespace coppice
