// What objectives compute their losses from: a batch and a network, adversarial images, random draws.
#pragma once
#include <ATen/ATen.h>

#include "attack/attack.h"
#include "data/dataset.h"
#include "device/interrupt.h"
#include "graph/forward.h"
#include "graph/network.h"

namespace coppice {

struct BatchLoss {
  at::Tensor loss;    ///< scalar, mean over the batch, with its autograd graph
  at::Tensor logits;  ///< of what the prediction loss was taken on
};

/// What a pass of an objective depends on besides the batch.
struct PassSettings {
  at::ScalarType compute;  ///< type of activations
  RandomKey key;
  double epsilon_factor = 1;                   ///< of ε and the step size: the state of an ε ramp
  double clean_weight = 1, robust_weight = 0;  ///< of the two losses of objectives on bounds; no bounds at 0
  /// The part of the prediction loss's target that all classes share alike (Szegedy et al., 2016).
  double label_smoothing = 0;
  int64_t draw = 0;    ///< what tells this step's random draws from other steps'
  bool learns = true;  ///< whether the pass of the prediction loss updates the batch-norm statistics
  Part part = {};      ///< of the whole batch, where several devices share it
};

/// Losses are means over the whole batch: of a part, what it adds to them. Every objective has to choose
/// which of its passes is that of the prediction loss: exactly one, the others leave the statistics alone.
struct Pass {
  const Network& network;
  const Weights& trainable;  ///< the network's trainable weights
  const Batch& batch;
  const PassSettings& settings;
  const Interrupt& interrupt;

  /// Logits of the pass that the prediction loss is taken on, with batch statistics.
  at::Tensor predict(const at::Tensor& images) const;
  /// Logits of another pass, with batch statistics that are not remembered.
  at::Tensor logits(const at::Tensor& images) const;

  /// The network as attacks see it: in evaluation mode, with batch norm folded.
  Folded attacked() const { return fold(network, settings.compute); }
  /// Adversarial images of the batch, from one attempt at the ramp's ε. Without a loss, the attack's own.
  at::Tensor adversarial(const Ascent& attack, const Folded& attacked, ImageLoss loss = {}) const;

  /// Images of the whole batch, of which `batch` may be a part.
  int64_t images() const { return settings.part.whole() ? batch.labels.size(0) : settings.part.total; }
  /// The mean cross-entropy of the prediction loss, with smoothed labels.
  at::Tensor cross_entropy(const at::Tensor& logits) const;
  /// What a mean over `here` images or draws adds to that over `all`, of this part and the others.
  at::Tensor share(const at::Tensor& mean, int64_t here, int64_t all) const;

  /// Those of `count` places in the whole batch, drawn with replacement, that are here: as places in `batch`.
  at::Tensor draw(int64_t count) const;
};

}  // namespace coppice
