#include "train/pass.h"

#include "device/philox.h"

namespace coppice {

at::Tensor Pass::predict(const at::Tensor& images) const {
  return forward(network.graph, trainable, images, settings.compute,
                 settings.learns ? BatchNormMode::kTraining : BatchNormMode::kBatchStatistics);
}

at::Tensor Pass::logits(const at::Tensor& images) const {
  return forward(network.graph, trainable, images, settings.compute, BatchNormMode::kBatchStatistics);
}

at::Tensor Pass::adversarial(const Attack& attack, const Folded& attacked, ImageLoss loss) const {
  const Target target{attacked, batch, settings.key, interrupt, std::move(loss)};
  return search(scaled(attack, settings.epsilon_factor), target, 0);
}

at::Tensor Pass::draw(int64_t count) const {
  const auto size = static_cast<uint64_t>(batch.labels.size(0));
  const auto step = static_cast<uint64_t>(settings.draw);
  std::vector<int64_t> places(count);
  for (int64_t i = 0; i < count; ++i) {
    const Random4 bits =
        philox(settings.key.seed, static_cast<uint32_t>(i), static_cast<uint32_t>(step), settings.key.epoch,
               static_cast<uint32_t>(Purpose::kDraw) | static_cast<uint32_t>(step >> 32) << 8);
    places[i] = static_cast<int64_t>((uint64_t{bits.v[0]} * size) >> 32);
  }
  return at::tensor(at::ArrayRef<int64_t>(places), at::kLong).to(batch.labels.device());
}

}  // namespace coppice
