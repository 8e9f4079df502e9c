#include "attack/losses.h"

#include <algorithm>
#include <limits>

namespace coppice {
namespace {

/// Keeps a quotient finite where logits are equal.
constexpr double kTiny = 1e-12;

at::Tensor picked(const at::Tensor& logits, const at::Tensor& classes) {
  return logits.gather(1, classes.unsqueeze(1)).squeeze(1);
}

/// The greatest logits of each image in order, at most `count`.
at::Tensor greatest(const at::Tensor& logits, int64_t count) {
  return std::get<0>(logits.topk(std::min(count, logits.size(1)), 1));
}

}  // namespace

at::Tensor cross_entropies(const at::Tensor& logits, const at::Tensor& labels) {
  return at::cross_entropy_loss(logits, labels, {}, at::Reduction::None);
}

at::Tensor leads(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& classes) {
  return picked(logits, classes) - picked(logits, labels);
}

at::Tensor margins(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor others = logits.scatter(1, labels.unsqueeze(1), -std::numeric_limits<double>::infinity());
  return picked(logits, labels) - others.amax(1);
}

at::Tensor logit_ratios(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor distances = -margins(logits, labels);
  if (logits.size(1) < 3) return distances;
  const at::Tensor top = greatest(logits, 3);
  return distances / (top.select(1, 0) - top.select(1, 2) + kTiny);
}

at::Tensor targeted_logit_ratios(const at::Tensor& logits, const at::Tensor& labels,
                                 const at::Tensor& targets) {
  const at::Tensor distances = leads(logits, labels, targets);
  if (logits.size(1) < 3) return distances;
  const at::Tensor top = greatest(logits, 4);
  const at::Tensor behind = (top.select(1, 2) + top.select(1, -1)) / 2;
  return distances / (top.select(1, 0) - behind + kTiny);
}

}  // namespace coppice
