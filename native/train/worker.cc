#include "train/worker.h"

#include <torch/csrc/autograd/autograd.h>

namespace coppice {

Worker::Worker(Network& network, const Dataset& dataset, const TrainPlan& plan, const Interrupt& interrupt,
               Group* group, int rank)
    : network_(network),
      dataset_(dataset),
      plan_(plan),
      interrupt_(interrupt),
      group_(group),
      rank_(rank),
      order_(at::tensor(at::ArrayRef<int64_t>(plan.order), at::kLong).to(network.device)),
      all_numbers_(step_numbers(plan.optimiser, plan.learning_rates, plan.steps_taken, network.device)),
      indices_(at::empty({plan.batch_size}, order_.options())),
      numbers_(at::empty({3}, all_numbers_.options())),
      outcome_(at::zeros({2}, all_numbers_.options())),
      losses_(at::zeros({plan.steps()}, all_numbers_.options())),
      correct_(at::zeros({}, order_.options())),
      stream_(network.device) {
  make_moments(network, plan.optimiser);
  if (!plan.average_shares.empty()) {
    if (!network.average.defined()) network.average = at::zeros_like(network.parameters);
    all_shares_ = at::tensor(at::ArrayRef<double>(plan.average_shares), network.parameters.options());
    share_ = at::empty({}, all_shares_.options());
  }
  if (plan.learn_scores) learner_.emplace(network, *plan.learn_scores);
}

void Worker::step(int64_t number) {
  const int64_t begin = number * plan_.batch_size, total = std::min(plan_.batch_size, order_.size(0) - begin);
  Part part;
  Share share{0, total, true};
  if (group_) {
    share = share_of(total, rank_, group_->size());
    part = {group_, rank_, share.begin, total, share.counts};
  }
  const PassSettings settings{.compute = plan_.compute,
                              .key = plan_.key,
                              .epsilon_factor = plan_.epsilon_factors[number],
                              .clean_weight = plan_.clean_weights[number],
                              .robust_weight = plan_.robust_weights[number],
                              .label_smoothing = plan_.label_smoothing,
                              .draw = plan_.order[begin],
                              .part = part};
  const at::Tensor indices = indices_.narrow(0, 0, share.size);
  indices.copy_(order_.narrow(0, begin + share.begin, share.size));
  numbers_.copy_(all_numbers_.select(0, number));
  if (share_.defined()) share_.copy_(all_shares_.select(0, number));

  const auto work = [&] { compute(indices, settings); };
  if (recordable(plan_.objective)) {
    const Kind kind{share.size, settings.epsilon_factor, settings.clean_weight, settings.robust_weight};
    Recorded& recorded = recordings_.try_emplace(kind, network_.device, group_ != nullptr).first->second;
    recorded.run(work);
    if (recorded.replays()) ++replayed_;
  } else {
    work();
  }
  losses_.select(0, number).copy_(outcome_.select(0, 0));
  correct_.add_(outcome_.select(0, 1).to(at::kLong));
}

void Worker::compute(const at::Tensor& indices, const PassSettings& settings) {
  if (learner_) learner_->apply();
  const Batch batch = make_batch(dataset_, indices, plan_.augmentation, plan_.key, network_.type);
  network_.gradients.zero_();
  const Weights trainable = network_.trainable_weights();
  const BatchLoss pass = objective_loss(plan_.objective, {network_, trainable, batch, settings, interrupt_});
  torch::autograd::backward({pass.loss}, {});
  outcome_.select(0, 0).copy_(pass.loss.detach());
  outcome_.select(0, 1).copy_(pass.logits.detach().argmax(1).eq(batch.labels).sum());
  if (group_) {
    settings.part.sum(network_.gradients);
    settings.part.sum(outcome_);
  }
  if (learner_)
    learner_->step(numbers_.select(0, 0), momentum_of(plan_.optimiser));
  else
    optimiser_step(network_, plan_.optimiser, numbers_);
  if (share_.defined()) network_.average.lerp_(network_.parameters, share_);
}

}  // namespace coppice
