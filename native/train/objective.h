// Objectives: what the loss of a batch is. Pre-training and fine-tuning execute the same description.
#pragma once
#include <ATen/ATen.h>

#include <variant>

#include "attack/pgd.h"
#include "bounds/bounds.h"
#include "data/dataset.h"
#include "graph/network.h"

namespace coppice {

/// Cross-entropy on the images.
struct Natural {};
/// Cross-entropy on adversarial examples only (Madry et al., 2018).
struct Adversarial {
  Attack attack;
};
/// Cross-entropy on the images + β · KL(p(images) ‖ p(adversarial)) (Zhang et al., "TRADES", 2019).
struct Trades {
  Attack attack;
  double beta;
};
/// Cross-entropy on the images and on the worst logits that bounds allow, each with a weight that comes with
/// the step: MixTrain (Wang et al., 2018), interval bound propagation (Gowal et al., 2018), CROWN-IBP (Zhang et
/// al., 2020).
struct Verified {
  BoundMethod bound;
  double epsilon;  ///< of the box, clipped to [0,1]
  int64_t images;  ///< drawn from the batch with replacement; 0: all of them
  bool detach;     ///< no gradient through the denominator of the chord's slope
};
using Objective = std::variant<Natural, Adversarial, Trades, Verified>;

struct BatchLoss {
  at::Tensor loss;    ///< scalar, mean over the batch, with its autograd graph
  at::Tensor logits;  ///< of what the prediction loss was taken on
};

/// What a pass of an objective depends on besides the batch.
struct PassSettings {
  at::ScalarType compute;     ///< type of activations
  RandomKey key;
  double epsilon_factor = 1;  ///< of ε and the step size: the state of an ε ramp
  double clean_weight = 1, robust_weight = 0;  ///< of the two losses of Verified; no bounds at 0
  int64_t draw = 0;                            ///< what tells this step's random draws from other steps'
};

/// The training loss of a batch. Attacks run in evaluation mode with batch norm folded; exactly one forward
/// pass, that of the prediction loss, updates the batch-norm statistics. `trainable`: the network's trainable
/// weights.
BatchLoss objective_loss(const Objective& objective, const Network& network, const Weights& trainable,
                         const Batch& batch, const PassSettings& settings, const Interrupt& interrupt);

}  // namespace coppice
