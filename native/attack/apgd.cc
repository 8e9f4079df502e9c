#include "attack/apgd.h"

#include "attack/standing.h"

namespace coppice {
namespace {

constexpr double kMomentum = 0.75;
/// Share of the steps of a period that must raise the loss.
constexpr double kRises = 0.75;

/// What an attempt has for each image that stands.
struct Climb {
  at::Tensor x, previous, gradient, losses;
  at::Tensor best, best_gradient, best_loss;  ///< where the loss was highest
  at::Tensor steps;                           ///< step sizes
  at::Tensor rises;                           ///< steps of this period that raised the loss
  at::Tensor best_before;                     ///< highest loss at the last checkpoint
  at::Tensor halved;                          ///< whether the step size was halved there
  at::Tensor targets;

  std::vector<at::Tensor*> rows() {
    std::vector<at::Tensor*> all{&x,         &previous, &gradient, &losses,      &best,  &best_gradient,
                                 &best_loss, &steps,    &rises,    &best_before, &halved};
    if (targets.defined()) all.push_back(&targets);
    return all;
  }

  void take(const Target::Slope& slope) {
    losses = slope.losses.to(steps.scalar_type());
    gradient = rows_of(slope.gradient);
  }

  void remember_best() {
    const at::Tensor better = losses.gt(best_loss).nonzero().view(-1);
    if (better.size(0) == 0) return;
    best.index_copy_(0, better, x.index_select(0, better));
    best_gradient.index_copy_(0, better, gradient.index_select(0, better));
    best_loss.index_copy_(0, better, losses.index_select(0, better));
  }

  /// Halves the step size where too few steps of the period raised the loss, or where it was kept at the last
  /// checkpoint and nothing better was found since, and goes on from the best image.
  void judge_steps(int64_t period) {
    const at::Tensor few = rises.le(kRises * static_cast<double>(period));
    const at::Tensor stuck = halved.logical_not().logical_and(best_before.ge(best_loss));
    halved = few.logical_or(stuck);
    best_before = best_loss.clone();
    rises.zero_();
    const at::Tensor back = halved.nonzero().view(-1);
    if (back.size(0) == 0) return;
    steps = at::where(halved, steps / 2, steps);
    x.index_copy_(0, back, best.index_select(0, back));
    gradient.index_copy_(0, back, best_gradient.index_select(0, back));
  }
};

}  // namespace

Checkpoints::Checkpoints(int64_t steps)
    : period_(std::max<int64_t>(1, steps * 22 / 100)),
      least_(std::max<int64_t>(1, steps * 6 / 100)),
      shrinkage_(std::max<int64_t>(1, steps * 3 / 100)) {}

int64_t Checkpoints::after_step() {
  if (++taken_ < period_) return 0;
  taken_ = 0;
  return std::exchange(period_, std::max(period_ - shrinkage_, least_));
}

at::Tensor Apgd::search(const Target& target, uint32_t attempt) const {
  const at::NoGradGuard no_grad;
  Standing standing(target);
  Climb climb;
  climb.x = rows_of(start_in_box(target.batch, Start::kUniform, epsilon, target.key, attempt));
  if (loss == Loss::kTargetedLogitRatio) climb.targets = target.next_likeliest(attempt / restarts);
  const auto slope = [&] {
    return target.slope(standing.images(climb.x), [&](const at::Tensor& logits) {
      switch (loss) {
        case Loss::kCrossEntropy:
          return cross_entropies(logits, standing.labels);
        case Loss::kLogitRatio:
          return logit_ratios(logits, standing.labels);
        default:
          return targeted_logit_ratios(logits, standing.labels, climb.targets);
      }
    });
  };
  climb.steps = at::full({standing.count()}, 2 * epsilon, climb.x.options());
  Target::Slope here = slope();
  climb.take(here);
  climb.previous = climb.x.clone();
  climb.best = climb.x.clone();
  climb.best_gradient = climb.gradient.clone();
  climb.best_loss = climb.losses.clone();
  climb.best_before = climb.losses.clone();
  climb.rises = at::zeros_like(climb.losses);
  climb.halved = at::ones_like(standing.labels, at::kBool);

  Checkpoints checkpoints(steps);
  standing.drop_broken(here.logits, climb.x, climb.rows());
  for (int64_t step = 0; step < steps && standing.count() > 0; ++step) {
    target.interrupt.between_batches();
    momentum_step_in_box(climb.x, climb.previous, standing.originals, climb.gradient, climb.steps, epsilon,
                         step == 0 ? 1 : kMomentum);
    here = slope();
    const at::Tensor before = climb.losses;
    climb.take(here);
    climb.rises += climb.losses.gt(before);
    climb.remember_best();
    if (standing.drop_broken(here.logits, climb.x, climb.rows()) && standing.count() == 0) break;
    if (const int64_t period = checkpoints.after_step()) climb.judge_steps(period);
  }
  return standing.found(climb.best);
}

}  // namespace coppice
