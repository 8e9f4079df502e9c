// Learning importance scores with frozen weights (HYDRA: Sehwag et al., "HYDRA: Pruning Adversarially Robust
// Neural Networks", 2020).
#pragma once
#include "graph/network.h"
#include "train/kth_magnitude.h"
#include "train/plan.h"

namespace coppice {

/// Lends a network's parameter arena to score learning, from apply() to step(): between batches it holds the
/// frozen weights. The scores' momentum is the network's first moment, so that checkpoints hold it.
class ScoreLearner {
 public:
  ScoreLearner(Network& network, const LearnScores& start);
  ~ScoreLearner();
  ScoreLearner(const ScoreLearner&) = delete;
  ScoreLearner& operator=(const ScoreLearner&) = delete;

  /// Puts the weights of the largest |scores| into the network, zero elsewhere.
  void apply();
  /// Moves |scores| against weight · gradient, with momentum (Adam is not part of the method), by a rate that
  /// is on the device, and puts the frozen weights back.
  void step(const at::Tensor& learning_rate, double momentum);
  at::Tensor scores() const { return scores_; }

 private:
  Network& network_;
  at::Tensor frozen_, scores_;
  SmallestRemoved removal_;
};

}  // namespace coppice
