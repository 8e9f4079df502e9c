// Optimisers as values, and the one step that they take on a network's arenas.
#pragma once
#include <cstdint>
#include <variant>
#include <vector>

#include "device/limits.h"
#include "graph/network.h"

namespace coppice {

/// Sgd: PyTorch's, without dampening.
struct Sgd {
  static constexpr const char* name = "sgd";
  double momentum, weight_decay;
  bool nesterov;

  template <class Reader>
  static Sgd read(const Reader& optimiser) {
    return {optimiser["momentum"].number(0, 1), optimiser["weightDecay"].number(0, limits::kWeightDecay),
            optimiser["nesterov"].flag()};
  }
};
/// Adam (Kingma and Ba, 2015) with L2 regularisation in the gradient, as PyTorch's.
struct Adam {
  static constexpr const char* name = "adam";
  double beta1, beta2, epsilon, weight_decay;

  template <class Reader>
  static Adam read(const Reader& optimiser) {
    return {optimiser["beta1"].number(0, limits::kBeta), optimiser["beta2"].number(0, limits::kBeta),
            optimiser["epsilon"].number(limits::kAdamEpsilon[0], limits::kAdamEpsilon[1]),
            optimiser["weightDecay"].number(0, limits::kWeightDecay)};
  }
};
using Optimiser = std::variant<Sgd, Adam>;

/// What steps need besides the optimiser, [steps, 3] on the device (train/masked_step.h, StepNumbers), one
/// row for each learning rate. `steps_taken`: steps before these since the moments were zero.
at::Tensor step_numbers(const Optimiser& optimiser, const std::vector<double>& learning_rates,
                        int64_t steps_taken, at::Device device);

/// Makes the moments that the optimiser needs and the network has not had yet.
void make_moments(Network& network, const Optimiser& optimiser);

/// One step with the gradients as they are, by a row of step_numbers. The moments are there.
void optimiser_step(Network& network, const Optimiser& optimiser, const at::Tensor& numbers);

/// The momentum of the optimiser's mean gradient; where it has none of its own, 0.9.
double momentum_of(const Optimiser& optimiser);

}  // namespace coppice
