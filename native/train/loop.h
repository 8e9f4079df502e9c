// The training loop: one for every objective.
#pragma once
#include <functional>
#include <vector>

#include "data/dataset.h"
#include "device/interrupt.h"
#include "graph/network.h"
#include "train/plan.h"

namespace coppice {

struct TrainProgress {
  int64_t steps, samples;
  double loss;  ///< mean since the last report
};

struct TrainResult {
  int64_t steps = 0, samples = 0;
  std::vector<double> losses;
  int64_t correct = 0;
  int64_t replayed = 0;  ///< steps that CUDA replayed from a recording
  double seconds = 0;
  at::Tensor scores;  ///< on the CPU; defined after learning scores
};

struct DivergenceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Trains for the planned steps, or until paused. Reports at most twenty times a second; the device is read
/// for losses only then, so steps follow each other without waiting. Throws DivergenceError when a loss is
/// not finite. On several devices each has a copy of the network, takes its slice of every batch, and
/// gradients are added up before each step; batch norm sees the whole batch.
TrainResult train(Network& network, const Dataset& dataset, const TrainPlan& plan, const Interrupt& interrupt,
                  const std::function<void(const TrainProgress&)>& report);

}  // namespace coppice
