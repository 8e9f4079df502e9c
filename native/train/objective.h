// Objectives: what the loss of a batch is. Pre-training and fine-tuning execute the same description.
#pragma once
#include <ATen/ATen.h>

#include <variant>

#include "attack/pgd.h"
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
using Objective = std::variant<Natural, Adversarial, Trades>;

struct BatchLoss {
  at::Tensor loss;    ///< scalar, mean over the batch, with its autograd graph
  at::Tensor logits;  ///< of what the prediction loss was taken on
};

/// What a pass of an objective depends on besides the batch.
struct PassSettings {
  at::ScalarType compute;     ///< type of activations
  double epsilon_factor = 1;  ///< of ε and the step size: the state of an ε ramp
  RandomKey key;
};

/// The training loss of a batch. Attacks run in evaluation mode with batch norm folded; exactly one forward
/// pass, that of the prediction loss, updates the batch-norm statistics. `trainable`: the network's trainable
/// weights.
BatchLoss objective_loss(const Objective& objective, const Network& network, const Weights& trainable,
                         const Batch& batch, const PassSettings& settings, const Interrupt& interrupt);

}  // namespace coppice
