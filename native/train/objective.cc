#include "train/objective.h"

#include "bounds/interval.h"
#include "device/philox.h"
#include "graph/forward.h"

namespace coppice {
namespace {

Attack scaled(Attack attack, double factor) {
  attack.epsilon *= factor;
  attack.step_size *= factor;
  return attack;
}

/// Σ over samples of KL(p ‖ q), given p and log q.
at::Tensor divergence(const at::Tensor& p, const at::Tensor& log_q) {
  return at::kl_div(log_q, p, at::Reduction::Sum, /*log_target=*/false);
}

struct Loss {
  const Network& network;
  const Weights& trainable;
  const Batch& batch;
  const PassSettings& settings;
  const Interrupt& interrupt;

  at::Tensor logits(const at::Tensor& images, BatchNormMode mode) const {
    return forward(network.graph, trainable, images, settings.compute, mode);
  }

  at::Tensor adversarial_images(const Attack& full,
                                const std::function<at::Tensor(const at::Tensor&)>& of_logits,
                                const Folded& folded) const {
    const Attack attack = scaled(full, settings.epsilon_factor);
    return ascend(
        batch.images, random_start(batch, attack, settings.key, 0), attack,
        [&](const at::Tensor& images) { return of_logits(forward(folded, images)); }, interrupt);
  }

  BatchLoss operator()(const Natural&) const {
    const at::AutoGradMode enabled(true);
    const at::Tensor out = logits(batch.images, BatchNormMode::kTraining);
    return {at::cross_entropy_loss(out, batch.labels), out};
  }

  BatchLoss operator()(const Adversarial& objective) const {
    const Folded folded = fold(network, settings.compute);
    const auto loss = [&](const at::Tensor& out) {
      return at::cross_entropy_loss(out, batch.labels, {}, at::Reduction::Sum);
    };
    const at::Tensor adversarial = adversarial_images(objective.attack, loss, folded);
    const at::AutoGradMode enabled(true);
    const at::Tensor out = logits(adversarial, BatchNormMode::kTraining);
    return {at::cross_entropy_loss(out, batch.labels), out};
  }

  BatchLoss operator()(const Trades& objective) const {
    const Folded folded = fold(network, settings.compute);
    const at::Tensor target = at::softmax(forward(folded, batch.images), 1);
    const auto loss = [&](const at::Tensor& out) { return divergence(target, at::log_softmax(out, 1)); };
    const at::Tensor adversarial = adversarial_images(objective.attack, loss, folded);
    const at::AutoGradMode enabled(true);
    const at::Tensor clean = logits(batch.images, BatchNormMode::kTraining);
    const at::Tensor moved = logits(adversarial, BatchNormMode::kBatchStatistics);
    const auto n = static_cast<double>(batch.labels.size(0));
    const at::Tensor robust = divergence(at::softmax(clean, 1), at::log_softmax(moved, 1)) / n;
    return {at::cross_entropy_loss(clean, batch.labels) + objective.beta * robust, clean};
  }

  BatchLoss operator()(const Verified& objective) const {
    const at::AutoGradMode enabled(true);
    const at::Tensor out = logits(batch.images, BatchNormMode::kTraining);
    const at::Tensor clean = at::cross_entropy_loss(out, batch.labels) * settings.clean_weight;
    if (settings.robust_weight == 0) return {clean, out};
    at::Tensor images = batch.images, labels = batch.labels;
    if (objective.images > 0) {
      const at::Tensor drawn = draw(objective.images);
      images = images.index_select(0, drawn);
      labels = labels.index_select(0, drawn);
    }
    BoundSettings bounds{objective.bound};
    bounds.sound = false;
    bounds.detach = objective.detach;
    const Range box = box_around(images, objective.epsilon * settings.epsilon_factor, true, false);
    const Margins found =
        margins({network.graph, trainable, objective.bound}, box, labels, bounds, interrupt);
    // The worst logits, less that of the label, which comes first.
    const at::Tensor others = -found.lower.to(network.type);
    const at::Tensor worst = at::cat({at::zeros_like(others.narrow(1, 0, 1)), others}, 1);
    const at::Tensor robust = at::cross_entropy_loss(worst, at::zeros_like(labels));
    return {clean + settings.robust_weight * robust, out};
  }

  /// Places in the batch, drawn with replacement.
  at::Tensor draw(int64_t count) const {
    const auto size = static_cast<uint64_t>(batch.labels.size(0));
    const auto step = static_cast<uint64_t>(settings.draw);
    std::vector<int64_t> places(count);
    for (int64_t i = 0; i < count; ++i) {
      const Random4 bits =
          philox(settings.key.seed, static_cast<uint32_t>(i), static_cast<uint32_t>(step), settings.key.epoch,
                 static_cast<uint32_t>(Purpose::kDraw) | static_cast<uint32_t>(step >> 32) << 8);
      places[i] = static_cast<int64_t>((uint64_t{bits.v[0]} * size) >> 32);
    }
    return at::tensor(at::ArrayRef<int64_t>(places), at::kLong).to(batch.labels.device());
  }
};

}  // namespace

BatchLoss objective_loss(const Objective& objective, const Network& network, const Weights& trainable,
                         const Batch& batch, const PassSettings& settings, const Interrupt& interrupt) {
  return std::visit(Loss{network, trainable, batch, settings, interrupt}, objective);
}

}  // namespace coppice
