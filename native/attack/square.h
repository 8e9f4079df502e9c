// Square (Andriushchenko et al., "Square Attack: a query-efficient black-box adversarial attack via random
// search", ECCV 2020): a random search that asks for logits alone, so that no gradient can mislead it.
#pragma once
#include "attack/target.h"
#include "device/limits.h"

namespace coppice {

struct Square {
  static constexpr const char* name = "square";
  double epsilon;  ///< in [0,1] pixels
  int64_t queries, restarts;

  template <class Reader>
  static Square read(const Reader& attack) {
    return {attack["epsilon"].number(0, 1), attack["queries"].integer(1, limits::kAttackSteps),
            attack["restarts"].integer(1, limits::kRestarts)};
  }

  int64_t attempts(int64_t) const { return restarts; }
  at::Tensor search(const Target& target, uint32_t attempt) const;
};

}  // namespace coppice
