#include "train/objective.h"

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
};

}  // namespace

BatchLoss objective_loss(const Objective& objective, const Network& network, const Weights& trainable,
                         const Batch& batch, const PassSettings& settings, const Interrupt& interrupt) {
  return std::visit(Loss{network, trainable, batch, settings, interrupt}, objective);
}

}  // namespace coppice
