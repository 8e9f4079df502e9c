#include "attack/standing.h"

#include "graph/classes.h"

namespace coppice {

at::Tensor rows_of(const at::Tensor& images) {
  return images.contiguous(at::MemoryFormat::ChannelsLast)
      .permute({0, 2, 3, 1})
      .reshape({images.size(0), images.size(1) * images.size(2) * images.size(3)});
}

Standing::Standing(const Target& target)
    : originals(rows_of(target.batch.images)),
      labels(target.batch.labels),
      samples(target.batch.indices),
      target_(target),
      places_(at::arange(labels.size(0), labels.options())),
      found_(originals.clone()) {}

at::Tensor Standing::images(const at::Tensor& rows) const {
  const auto& [channels, height, width] = target_.network.graph.input;
  return rows.view({rows.size(0), height, width, channels}).permute({0, 3, 1, 2});
}

bool Standing::drop_broken(const at::Tensor& logits, const at::Tensor& rows,
                           const std::vector<at::Tensor*>& more) {
  return drop(classes_of(logits).ne(labels), rows, more);
}

bool Standing::drop(const at::Tensor& candidates, const at::Tensor& rows,
                    const std::vector<at::Tensor*>& more) {
  at::Tensor broken = candidates.nonzero().view(-1);
  if (broken.size(0) == 0) return false;
  const at::Tensor logits = target_.judged(images(rows.index_select(0, broken)));
  broken = broken.masked_select(classes_of(logits).ne(labels.index_select(0, broken)));
  if (broken.size(0) == 0) return false;
  found_.index_copy_(0, places_.index_select(0, broken), rows.index_select(0, broken));
  const at::Tensor left = at::ones_like(labels, at::kBool).index_fill(0, broken, false).nonzero().view(-1);
  std::vector<at::Tensor*> all{&originals, &labels, &samples, &places_};
  all.insert(all.end(), more.begin(), more.end());
  for (at::Tensor* each : all) *each = each->index_select(0, left);
  return true;
}

at::Tensor Standing::found(const at::Tensor& rest) const {
  return images(found_.index_copy(0, places_, rest));
}

}  // namespace coppice
