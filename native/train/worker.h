// One device's share of training steps.
#pragma once
#include <map>
#include <optional>
#include <tuple>

#include "data/dataset.h"
#include "device/interrupt.h"
#include "device/recorded.h"
#include "graph/network.h"
#include "train/learned_scores.h"
#include "train/plan.h"

namespace coppice {

/// Does the plan's steps on a network, one after another, without waiting for the device. All that changes
/// from step to step lies in buffers on the device that stay where they are, so that on CUDA a step is
/// recorded once and replayed.
class Worker {
 public:
  /// The network, the data set and the plan must outlive it. In a `group` all members do the same steps, each
  /// on its part of every batch, and end with the same network.
  Worker(Network& network, const Dataset& dataset, const TrainPlan& plan, const Interrupt& interrupt,
         Group* group = nullptr, int rank = 0);

  void step(int64_t number);

  /// On the device: each step's loss, float64 [steps], and how many predictions were right, int64.
  const at::Tensor& losses() const { return losses_; }
  const at::Tensor& correct() const { return correct_; }
  /// Steps that were replayed from a recording.
  int64_t replayed() const { return replayed_; }
  /// Undefined unless scores are learned.
  at::Tensor scores() const { return learner_ ? learner_->scores() : at::Tensor(); }

 private:
  /// Steps that a recording is good for: the size of the batch, and what the host decides.
  using Kind = std::tuple<int64_t, double, double, double>;

  void compute(const at::Tensor& indices, const PassSettings& settings);

  Network& network_;
  const Dataset& dataset_;
  const TrainPlan& plan_;
  const Interrupt& interrupt_;
  Group* const group_;
  const int rank_;
  std::optional<ScoreLearner> learner_;
  at::Tensor order_, all_numbers_;
  at::Tensor all_shares_;                 ///< undefined unless an average is kept
  at::Tensor indices_, numbers_, share_;  ///< of the step under way
  at::Tensor outcome_;  ///< likewise: its loss, and how many predictions were right; float64
  at::Tensor losses_, correct_;
  RecordingStream stream_;
  std::map<Kind, Recorded> recordings_;
  int64_t replayed_ = 0;
};

}  // namespace coppice
