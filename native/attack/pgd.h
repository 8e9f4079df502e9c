// Projected gradient descent (Madry et al., 2018): steps along the sign of the loss's gradient.
#pragma once
#include "attack/box.h"
#include "attack/target.h"
#include "device/limits.h"

namespace coppice {

struct Pgd {
  static constexpr const char* name = "pgd";
  double epsilon, step_size;  ///< in [0,1] pixels
  double noise;               ///< half the side of the box of the uniform start, likewise
  int64_t steps, restarts;
  Start from;

  struct State {
    at::Tensor images;
  };

  template <class Reader>
  static Pgd read(const Reader& attack) {
    const double epsilon = attack["epsilon"].number(0, 1);
    const Reader noise = attack["noise"];
    return {epsilon,
            attack["stepSize"].number(0, 1),
            noise.missing() ? epsilon : noise.number(0, 1),
            attack["steps"].integer(0, limits::kAttackSteps),
            attack["restarts"].integer(1, limits::kRestarts),
            attack["start"].one_of(kStarts)};
  }

  Pgd scaled(double factor) const {
    return {epsilon * factor, step_size * factor, noise * factor, steps, restarts, from};
  }

  int64_t attempts(int64_t) const { return restarts; }

  State start(const Target& target, uint32_t attempt) const {
    return {start_in_box(target.batch, from, noise, target.key, attempt)};
  }
  at::Tensor loss(const State&, const at::Tensor& logits, const at::Tensor& labels) const {
    return cross_entropies(logits, labels);
  }
  void step(State& state, const Target& target, int64_t) const {
    const at::Tensor gradient = target.slope(state.images).gradient;
    step_in_box(state.images, target.batch.images, gradient, step_size, epsilon);
  }
  at::Tensor found(const State& state) const { return state.images; }
};

}  // namespace coppice
