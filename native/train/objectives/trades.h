// TRADES: cross-entropy on the images + β · KL(p(images) ‖ p(adversarial)), which the attack maximises
// (Zhang et al., 2019).
#pragma once
#include "device/limits.h"
#include "train/pass.h"

namespace coppice {

struct Trades {
  static constexpr const char* name = "trades";
  static constexpr bool recordable = true;
  Ascent attack;
  double beta;

  template <class Reader>
  static Trades read(const Reader& objective) {
    return {read_variant<Ascent>(objective["attack"]), objective["beta"].number(0, limits::kLossWeight)};
  }

  BatchLoss loss(const Pass& pass) const {
    const Folded attacked = pass.attacked();
    const at::Tensor target = at::softmax(forward(attacked, pass.batch.images), 1);
    const at::Tensor adversarial = pass.adversarial(attack, attacked, [&](const at::Tensor& out) {
      return divergence(target, out, at::Reduction::None).sum(1);
    });
    const at::AutoGradMode enabled(true);
    const at::Tensor clean = pass.predict(pass.batch.images);
    const at::Tensor moved = pass.logits(adversarial);
    const int64_t n = pass.batch.labels.size(0);
    const at::Tensor robust =
        divergence(at::softmax(clean, 1), moved, at::Reduction::Sum) / static_cast<double>(n);
    return {pass.cross_entropy(clean) + beta * pass.share(robust, n, pass.images()), clean};
  }

 private:
  /// KL(p ‖ softmax(logits)).
  static at::Tensor divergence(const at::Tensor& p, const at::Tensor& logits, int64_t reduction) {
    return at::kl_div(at::log_softmax(logits, 1), p, reduction, /*log_target=*/false);
  }
};

}  // namespace coppice
