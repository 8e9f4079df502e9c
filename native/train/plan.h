// What a call of the training loop does.
#pragma once
#include <optional>
#include <vector>

#include "data/dataset.h"
#include "train/objective.h"
#include "train/optimiser.h"

namespace coppice {

/// Instead of the weights, learn HYDRA's importance scores (Sehwag et al., 2020): the weights are frozen,
/// every step runs on those whose |score| is in the largest `keep` fraction of their tensor, and the gradient
/// with respect to the kept weight, times the weight, moves the |score|.
struct LearnScores {
  double keep;
  at::Tensor
      scores;  ///< flat, one per parameter, on the CPU; undefined: start at the weights, scaled per tensor
};

struct TrainPlan {
  std::vector<int64_t> order;  ///< sample indices, batch after batch
  int64_t batch_size;
  Objective objective;
  Optimiser optimiser;
  std::vector<double> learning_rates;                 ///< one per step
  std::vector<double> epsilon_factors;                ///< one per step
  std::vector<double> clean_weights, robust_weights;  ///< one per step, of objectives on bounds
  /// One per step: how much of the new parameters goes into their average; none: no average is kept.
  std::vector<double> average_shares;
  int64_t steps_taken;  ///< before this call, since the moments were zero
  std::optional<Augmentation> augmentation;
  at::ScalarType compute;      ///< type of activations
  double label_smoothing = 0;  ///< of the prediction loss (train/pass.h)
  RandomKey key;
  std::optional<LearnScores> learn_scores;
  /// Devices that share each batch with the network's own, in contiguous slices; the CPU may be named more
  /// than once.
  std::vector<at::Device> more_devices;
  int64_t steps() const { return (static_cast<int64_t>(order.size()) + batch_size - 1) / batch_size; }
};

}  // namespace coppice
