// Targeted FAB (Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary
// attack", ICML 2020): walks along the boundary to the nearest image of another class.
#pragma once
#include <algorithm>

#include "attack/target.h"
#include "device/limits.h"

namespace coppice {

struct Fab {
  static constexpr const char* name = "fab";
  double epsilon;  ///< what counts as found, in [0,1] pixels
  int64_t steps, restarts;
  int64_t targets;  ///< classes aimed at; the likeliest first

  template <class Reader>
  static Fab read(const Reader& attack) {
    return {attack["epsilon"].number(0, 1), attack["steps"].integer(1, limits::kAttackSteps),
            attack["restarts"].integer(1, limits::kRestarts), attack["targets"].integer(1, limits::kSize)};
  }

  int64_t attempts(int64_t classes) const { return restarts * std::min(targets, classes - 1); }
  at::Tensor search(const Target& target, uint32_t attempt) const;
};

}  // namespace coppice
