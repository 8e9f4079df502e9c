// The training loop: one for every objective.
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "data/dataset.h"
#include "device/interrupt.h"
#include "graph/network.h"
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
  int64_t steps_taken;                                ///< before this call, since the moments were zero
  std::optional<Augmentation> augmentation;
  at::ScalarType compute;  ///< type of activations
  RandomKey key;
  std::optional<LearnScores> learn_scores;
  int64_t steps() const { return (static_cast<int64_t>(order.size()) + batch_size - 1) / batch_size; }
};

struct TrainProgress {
  int64_t steps, samples;
  double loss;  ///< mean since the last report
};

struct TrainResult {
  int64_t steps = 0, samples = 0;
  std::vector<double> losses;
  int64_t correct = 0;
  double seconds = 0;
  at::Tensor scores;  ///< on the CPU; defined after learning scores
};

struct DivergenceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Trains for the planned steps, or until paused. Reports at most twenty times a second; the device is read
/// for losses only then, so steps follow each other without waiting. Throws DivergenceError when a loss is
/// not finite.
TrainResult train(Network& network, const Dataset& dataset, const TrainPlan& plan, const Interrupt& interrupt,
                  const std::function<void(const TrainProgress&)>& report);

}  // namespace coppice
