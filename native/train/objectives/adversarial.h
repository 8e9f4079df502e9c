// Adversarial training: cross-entropy on adversarial examples only (Madry et al., 2018).
#pragma once
#include "train/pass.h"

namespace coppice {

struct Adversarial {
  static constexpr const char* name = "adversarial";
  static constexpr bool recordable = true;
  Ascent attack;

  template <class Reader>
  static Adversarial read(const Reader& objective) {
    return {read_variant<Ascent>(objective["attack"])};
  }

  BatchLoss loss(const Pass& pass) const {
    const at::Tensor adversarial = pass.adversarial(attack, pass.attacked());
    const at::AutoGradMode enabled(true);
    const at::Tensor out = pass.predict(adversarial);
    return {pass.cross_entropy(out), out};
  }
};

}  // namespace coppice
