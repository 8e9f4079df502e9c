#include "train/pass.h"

#include "device/philox.h"

namespace coppice {

at::Tensor Pass::predict(const at::Tensor& images) const {
  return forward(network.graph, trainable, images, settings.compute,
                 settings.learns ? BatchNormMode::kTraining : BatchNormMode::kBatchStatistics, settings.part);
}

at::Tensor Pass::logits(const at::Tensor& images) const {
  return forward(network.graph, trainable, images, settings.compute, BatchNormMode::kBatchStatistics,
                 settings.part);
}

at::Tensor Pass::adversarial(const Ascent& attack, const Folded& attacked, ImageLoss loss) const {
  const Target target{attacked, batch, settings.key, interrupt, std::move(loss)};
  return search(scaled(attack, settings.epsilon_factor), target, 0);
}

at::Tensor Pass::share(const at::Tensor& mean, int64_t here, int64_t all) const {
  if (settings.part.whole()) return mean;
  if (!settings.part.counts) return mean * 0;
  return mean * (static_cast<double>(here) / static_cast<double>(all));
}

at::Tensor Pass::cross_entropy(const at::Tensor& logits) const {
  return share(at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Mean, /*ignore_index=*/-100,
                                      settings.label_smoothing),
               batch.labels.size(0), images());
}

at::Tensor Pass::draw(int64_t count) const {
  const auto size = static_cast<uint64_t>(images());
  const auto step = static_cast<uint64_t>(settings.draw);
  const Part& part = settings.part;
  const int64_t here = batch.labels.size(0);
  std::vector<int64_t> places;
  for (int64_t i = 0; i < count; ++i) {
    const Random4 bits =
        philox(settings.key.seed, static_cast<uint32_t>(i), static_cast<uint32_t>(step), settings.key.epoch,
               static_cast<uint32_t>(Purpose::kDraw) | static_cast<uint32_t>(step >> 32) << 8);
    const auto place = static_cast<int64_t>((uint64_t{bits.v[0]} * size) >> 32) - part.begin;
    if (part.counts && place >= 0 && place < here) places.push_back(place);
  }
  return at::tensor(at::ArrayRef<int64_t>(places), at::kLong).to(batch.labels.device());
}

}  // namespace coppice
