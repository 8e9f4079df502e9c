// Natural training: cross-entropy on the images as they are.
#pragma once
#include "train/pass.h"

namespace coppice {

struct Natural {
  static constexpr const char* name = "natural";
  static constexpr bool recordable = true;

  template <class Reader>
  static Natural read(const Reader&) {
    return {};
  }

  BatchLoss loss(const Pass& pass) const {
    const at::AutoGradMode enabled(true);
    const at::Tensor out = pass.predict(pass.batch.images);
    return {pass.cross_entropy(out), out};
  }
};

}  // namespace coppice
