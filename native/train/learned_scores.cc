#include "train/learned_scores.h"

#include <cmath>

namespace coppice {

namespace {

/// What goes of each weight's tensor.
std::vector<Removal> removals(const Graph& graph, double keep) {
  std::vector<Removal> all;
  for (const TensorInfo& info : graph.tensors) {
    if (!info.prunable()) continue;
    const int64_t count = info.size - std::llround(keep * static_cast<double>(info.size));
    if (count > 0) all.push_back({info.offset, info.size, count});
  }
  return all;
}

}  // namespace

ScoreLearner::ScoreLearner(Network& network, const LearnScores& start)
    : network_(network),
      frozen_(network.parameters.clone()),
      removal_(removals(network.graph, start.keep), frozen_) {
  if (!network.moment1.defined()) network.moment1 = at::zeros_like(frozen_);
  if (start.scores.defined()) {
    scores_ = at::empty_like(frozen_).copy_(start.scores);
    return;
  }
  // s = √(6 / fan in) · w / max|w|, so that scores start in the order of the weights' magnitudes.
  scores_ = at::zeros_like(frozen_);
  for (const TensorInfo& info : network.graph.tensors) {
    if (!info.prunable()) continue;
    const at::Tensor w = network.view(frozen_, info);
    const double fan_in = static_cast<double>(info.size) / static_cast<double>(info.shape[0]);
    network.view(scores_, info).copy_(w * (std::sqrt(6.0 / fan_in) / w.abs().max().clamp_min(1e-12)));
  }
}

ScoreLearner::~ScoreLearner() {
  // After a device error copies fail too, and an exception that leaves a destructor ends the process.
  try {
    network_.parameters.copy_(frozen_);
    network_.enforce_mask();
  } catch (...) {
  }
}

void ScoreLearner::apply() { removal_.apply(scores_, network_.parameters); }

void ScoreLearner::step(const at::Tensor& learning_rate, double momentum) {
  // The mask depends on |s|, so that the straight-through gradient is ∂L/∂w · w · sign(s).
  network_.moment1.mul_(momentum).addcmul_(network_.gradients, frozen_ * scores_.sign());
  scores_.sub_(network_.moment1 * learning_rate.to(scores_.scalar_type()));
  network_.parameters.copy_(frozen_);
}

}  // namespace coppice
