// The images that an attack has not broken yet. What is done with goes; no pass is spent on it.
#pragma once
#include <ATen/ATen.h>

#include <vector>

#include "attack/target.h"

namespace coppice {

/// Images as rows [n, values], channels last as they lie in memory, so that rows can be picked by copying.
at::Tensor rows_of(const at::Tensor& images);

class Standing {
 public:
  /// All images of the target's batch.
  explicit Standing(const Target& target);

  int64_t count() const { return originals.size(0); }
  /// Rows as images [n, channels, height, width], channels last.
  at::Tensor images(const at::Tensor& rows) const;

  /// Takes the images that `logits` of `rows` say are broken, and that the judge finds broken too, out of all
  /// that stands: their rows are what was found for them. `more` are further tensors with a row for each
  /// image. Whether any went.
  bool drop_broken(const at::Tensor& logits, const at::Tensor& rows, const std::vector<at::Tensor*>& more);
  /// The same of those of which `candidates` (bool [n]) says so.
  bool drop(const at::Tensor& candidates, const at::Tensor& rows, const std::vector<at::Tensor*>& more);

  /// What was found for each image of the batch: its broken row, or the row of `rest` if it still stands.
  at::Tensor found(const at::Tensor& rest) const;

  at::Tensor originals;  ///< rows of the images themselves
  at::Tensor labels, samples;

 private:
  const Target& target_;
  at::Tensor places_;  ///< of what stands, in the batch
  at::Tensor found_;
};

}  // namespace coppice
