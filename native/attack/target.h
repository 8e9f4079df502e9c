// What an attack works against: a network, images, and the loss that it maximises.
#pragma once
#include <ATen/ATen.h>

#include <functional>

#include "data/dataset.h"
#include "device/interrupt.h"
#include "graph/network.h"
#include "graph/tape.h"

namespace coppice {

/// A loss that an attack maximises: logits [n, classes] to one value for each image. Images do not interact.
using ImageLoss = std::function<at::Tensor(const at::Tensor& logits)>;

/// The cross-entropy of each image.
at::Tensor cross_entropies(const at::Tensor& logits, const at::Tensor& labels);

struct Target {
  const Folded& network;  ///< in evaluation mode
  const Batch& batch;
  RandomKey key;  ///< with the number of the attempt, of all random numbers
  const Interrupt& interrupt;
  ImageLoss loss = {};   ///< none: the attack's own
  Tape* tape = nullptr;  ///< of the network; none: one for each slope

  /// Losses of images, and the gradient of their sum, channels last.
  struct Slope {
    at::Tensor losses, gradient;
  };
  Slope slope(const at::Tensor& images) const;
  /// The same by autograd, for checks.
  Slope slope_by_autograd(const at::Tensor& images) const;
};

}  // namespace coppice
