// Objectives: what the loss of a batch is. Pre-training and fine-tuning execute the same description.
#pragma once
#include <variant>

#include "train/objectives/adversarial.h"
#include "train/objectives/natural.h"
#include "train/objectives/trades.h"
#include "train/objectives/verified.h"
#include "train/pass.h"

namespace coppice {

/// A kind is a file of its own and a member here: its `name`, `read`, which makes it from a request with
/// every number within limits, `loss`, which computes it for a pass, and whether passes are `recordable`
/// (device/recorded.h): the host neither waits nor chooses within them.
using Objective = std::variant<Natural, Adversarial, Trades, Verified>;

inline bool recordable(const Objective& objective) {
  return std::visit([](const auto& kind) { return kind.recordable; }, objective);
}

/// The training loss of a batch. Attacks run in evaluation mode with batch norm folded; exactly one forward
/// pass, that of the prediction loss, updates the batch-norm statistics.
inline BatchLoss objective_loss(const Objective& objective, const Pass& pass) {
  return std::visit([&](const auto& kind) { return kind.loss(pass); }, objective);
}

}  // namespace coppice
