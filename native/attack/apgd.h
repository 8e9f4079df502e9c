// Auto-PGD (Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse
// parameter-free attacks", ICML 2020): ascent with momentum whose steps are halved where they do not help.
#pragma once
#include <algorithm>

#include "attack/box.h"
#include "attack/target.h"
#include "device/limits.h"

namespace coppice {

struct Apgd {
  static constexpr const char* name = "apgd";
  enum class Loss { kCrossEntropy, kLogitRatio, kTargetedLogitRatio };

  double epsilon;  ///< in [0,1] pixels
  int64_t steps, restarts;
  Loss loss;
  int64_t targets;  ///< classes aimed at, of the targeted loss; the likeliest first

  static constexpr std::pair<const char*, Loss> kLosses[] = {
      {"ce", Loss::kCrossEntropy}, {"dlr", Loss::kLogitRatio}, {"targetedDlr", Loss::kTargetedLogitRatio}};

  template <class Reader>
  static Apgd read(const Reader& attack) {
    return {attack["epsilon"].number(0, 1), attack["steps"].integer(1, limits::kAttackSteps),
            attack["restarts"].integer(1, limits::kRestarts), attack["loss"].one_of(kLosses),
            attack["targets"].integer(1, limits::kSize)};
  }

  int64_t attempts(int64_t classes) const {
    return restarts * (loss == Loss::kTargetedLogitRatio ? std::min(targets, classes - 1) : 1);
  }
  at::Tensor search(const Target& target, uint32_t attempt) const;
};

/// When the step size is judged next: after 22 % of the steps, and then in periods that shrink by 3 % to 6 %
/// (section 3.1 of the paper).
class Checkpoints {
 public:
  explicit Checkpoints(int64_t steps);
  /// Counts a step; the length of the period that ends with it, or 0.
  int64_t after_step();

 private:
  int64_t period_, least_, shrinkage_, taken_ = 0;
};

}  // namespace coppice
