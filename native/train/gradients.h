// The gradient of an objective's mean loss over a data set, for scores that rank weights by it.
#pragma once
#include <functional>
#include <vector>

#include "data/dataset.h"
#include "device/interrupt.h"
#include "graph/network.h"
#include "train/objective.h"

namespace coppice {

struct GradientPlan {
  std::vector<int64_t> indices;
  int64_t batch_size;
  Objective objective;
  PassSettings settings;
};

struct GradientResult {
  at::Tensor gradients;  ///< one per parameter, pruned ones included, on the CPU
  double loss = 0;       ///< mean over the images
  double seconds = 0;
};

/// Passes as in training, without augmentation, each batch's mean loss weighted by its images. Changes
/// nothing but the gradient arena.
GradientResult mean_gradients(Network& network, const Dataset& dataset, const GradientPlan& plan,
                              const Interrupt& interrupt, const std::function<void(int64_t samples)>& report);

}  // namespace coppice
