// What an attack works against: a network, images, and the loss that it maximises.
#pragma once
#include <ATen/ATen.h>

#include <functional>

#include "attack/losses.h"
#include "data/dataset.h"
#include "device/interrupt.h"
#include "graph/network.h"
#include "graph/tape.h"

namespace coppice {

/// A loss that an attack maximises: logits [n, classes] to one value for each image. Images do not interact.
using ImageLoss = std::function<at::Tensor(const at::Tensor& logits)>;

struct Target {
  const Folded& network;  ///< in evaluation mode
  const Batch& batch;
  RandomKey key;  ///< with the number of the attempt, of all random numbers
  const Interrupt& interrupt;
  ImageLoss loss = {};  ///< none: the attack's own
  /// Where what is found has to hold: the network as it is. None: `network`.
  const Network* judge = nullptr;
  Tape* tape = nullptr;  ///< of the network; none: one for each slope

  /// Losses of images, the gradient of their sum, channels last, and the logits.
  struct Slope {
    at::Tensor losses, gradient, logits;
  };
  Slope slope(const at::Tensor& images) const { return slope(images, loss); }
  Slope slope(const at::Tensor& images, const ImageLoss& of) const;
  /// The same by autograd, for checks.
  Slope slope_by_autograd(const at::Tensor& images) const;
  /// Logits alone.
  at::Tensor logits(const at::Tensor& images) const;
  /// Logits by the judge.
  at::Tensor judged(const at::Tensor& images) const;
  /// The class that each image of the batch is likeliest taken for besides its label (0), or the one after
  /// that (1) …
  at::Tensor next_likeliest(int64_t which) const;
};

}  // namespace coppice
