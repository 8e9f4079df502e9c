// Verification of the images of a data set: sound lower bounds of their margins.
#pragma once
#include <functional>
#include <vector>

#include "bounds/bounds.h"
#include "data/dataset.h"
#include "device/interrupt.h"
#include "graph/network.h"

namespace coppice {

/// Half the side of the box around each image, in [0,1] pixels, and whether it is clipped to [0,1].
struct BoxSettings {
  double epsilon;
  bool clip;
};

struct VerifyPlan {
  std::vector<int64_t> indices;
  int64_t batch_size;
  BoxSettings box;
  BoundSettings bounds;
};

struct VerifyResult {
  std::vector<double> margins;  ///< least over the other classes; −∞ where no bound is finite
  std::vector<uint8_t> confirmed;
  std::vector<int32_t> predictions;  ///< kNoClass where a logit is NaN or infinite
  double unstable = 0, macs = 0, seconds = 0;
};

/// The arithmetic of bounds: float64 on CUDA, where convolution algorithms such as Winograd's exceed the
/// rounding bound of plain sums in fp32 and float64 is fast, and for boxes that are one point, which need no
/// method but in a deep network more digits than fp32 has; else the network's own.
at::ScalarType bound_type(const Network& network, double epsilon);

/// Bounds every image. Where only rounding errors stand in the way of a positive margin, it is computed again
/// in float64. A box of ε 0 is verified by the logits, in float64, whatever the method.
VerifyResult verify(const Network& network, const Dataset& dataset, const VerifyPlan& plan,
                    const Interrupt& interrupt, const std::function<void(int64_t samples)>& report);

}  // namespace coppice
