// Optimisers as values, and the one step that they take on a network's arenas.
#pragma once
#include <cstdint>
#include <variant>

#include "graph/network.h"

namespace coppice {

/// Sgd: PyTorch's, without dampening.
struct Sgd {
  double momentum, weight_decay;
  bool nesterov;
};
/// Adam (Kingma and Ba, 2015) with L2 regularisation in the gradient, as PyTorch's.
struct Adam {
  double beta1, beta2, epsilon, weight_decay;
};
using Optimiser = std::variant<Sgd, Adam>;

/// One step with the gradients as they are. `steps_taken`: steps since the moments were zero.
void optimiser_step(Network& network, const Optimiser& optimiser, double learning_rate, int64_t steps_taken);

}  // namespace coppice
