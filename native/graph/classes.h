// What a network takes an image for.
#pragma once
#include <ATen/ATen.h>

namespace coppice {

/// Of an image with a logit that is NaN or infinite: it is taken for no class.
inline constexpr int64_t kNoClass = -1;

/// The class with the greatest of each image's logits [n, classes]: int64 [n].
inline at::Tensor classes_of(const at::Tensor& logits) {
  return logits.argmax(1).masked_fill(logits.isfinite().all(1).logical_not(), kNoClass);
}

}  // namespace coppice
