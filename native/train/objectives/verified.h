// Cross-entropy on the images and on the worst logits that bounds allow, each with a weight that comes with
// the step: MixTrain (Wang et al., 2018), interval bound propagation (Gowal et al., 2018), CROWN-IBP (Zhang
// et al., 2020).
#pragma once
#include "bounds/bounds.h"
#include "bounds/interval.h"
#include "device/device.h"
#include "device/limits.h"
#include "train/pass.h"

namespace coppice {

struct Verified {
  static constexpr const char* name = "verified";
  static constexpr bool recordable = false;
  BoundMethod bound;
  double epsilon;  ///< of the box, clipped to [0,1]
  int64_t images;  ///< drawn from the batch with replacement; 0: all of them
  bool detach;     ///< no gradient through the denominator of the chord's slope

  static constexpr std::pair<const char*, bool> kGradients[] = {{"full", false}, {"detached", true}};

  template <class Reader>
  static Verified read(const Reader& objective) {
    const BoundMethod bound = objective["bound"].row_of(kBoundMethods);
    if (bound.optimised) objective["bound"].refuse("a method that optimises no lines");
    return {bound, objective["epsilon"].number(0, 1), objective["images"].integer(0, limits::kBoundedImages),
            objective["gradient"].one_of(kGradients)};
  }

  BatchLoss loss(const Pass& pass) const {
    const at::AutoGradMode enabled(true);
    const Network& network = pass.network;
    const PassSettings& settings = pass.settings;
    const at::Tensor out = pass.predict(pass.batch.images);
    const at::Tensor clean = pass.cross_entropy(out) * settings.clean_weight;
    if (settings.robust_weight == 0) return {clean, out};
    at::Tensor chosen = pass.batch.images, labels = pass.batch.labels;
    if (images > 0) {
      const at::Tensor drawn = pass.draw(images);
      if (drawn.numel() == 0) return {clean, out};
      chosen = chosen.index_select(0, drawn);
      labels = labels.index_select(0, drawn);
    }
    BoundSettings bounds{bound};
    bounds.sound = false;
    bounds.memory = memory_budget(network.device);
    bounds.detach = detach;
    const Range box = box_around(chosen, epsilon * settings.epsilon_factor, true, false);
    const Margins found =
        margins({network.graph, pass.trainable, bound}, box, labels, bounds, pass.interrupt);
    // The worst logits, less that of the label, which comes first.
    const at::Tensor others = -found.lower.to(network.type);
    const at::Tensor worst = at::cat({at::zeros_like(others.narrow(1, 0, 1)), others}, 1);
    const at::Tensor robust = pass.share(at::cross_entropy_loss(worst, at::zeros_like(labels)),
                                         labels.size(0), images > 0 ? images : pass.images());
    return {clean + settings.robust_weight * robust, out};
  }
};

}  // namespace coppice
