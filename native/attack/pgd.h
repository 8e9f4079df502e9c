// Projected gradient descent (Madry et al., 2018): maximise a loss inside the L∞ box around each image.
#pragma once
#include <ATen/ATen.h>

#include <functional>

#include "attack/ascent.h"
#include "data/dataset.h"
#include "device/interrupt.h"

namespace coppice {

/// ε and step size in [0,1] pixels.
struct Attack {
  double epsilon, step_size;
  int64_t steps, restarts;
  Start start;
};

/// The loss that is maximised: a scalar, given images; summed over samples, so that they do not interact.
using ImageLoss = std::function<at::Tensor(const at::Tensor& images)>;

/// Where the ascent begins: `images` moved by the attack's random start, clipped to [0,1].
at::Tensor random_start(const Batch& batch, const Attack& attack, RandomKey key, uint32_t restart);

/// Ascends in place from `start` (channels last, as batch.images); returns the adversarial images.
/// Attack::restarts and Attack::start are the caller's business. Throws Aborted between steps once
/// interrupted.
at::Tensor ascend(const at::Tensor& images, at::Tensor start, const Attack& attack, const ImageLoss& loss,
                  const Interrupt& interrupt);

}  // namespace coppice
