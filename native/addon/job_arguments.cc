#include "addon/job_arguments.h"

namespace coppice {

void listen(const std::shared_ptr<Job>& job, const Reader& callback) {
  if (!callback.missing()) job->listener = new Listener{Napi::Persistent(callback.function()), nullptr};
}

std::function<void(int64_t)> samples_done(Addon& addon, const std::shared_ptr<Job>& job) {
  return [&addon, job](int64_t samples) {
    notify(addon, job, [samples](Napi::Env env) -> Napi::Value {
      auto object = Napi::Object::New(env);
      object.Set("samples", static_cast<double>(samples));
      return object;
    });
  };
}

at::Tensor read_images(const Reader& images, const Network& network) {
  const auto& [channels, height, width] = network.graph.input;
  const at::Tensor flat = images.floats(network.type);
  const int64_t size = channels * height * width;
  if (flat.numel() == 0 || flat.numel() % size != 0)
    throw std::invalid_argument(images.path() + " must hold whole images of " + std::to_string(size) +
                                " values, got " + std::to_string(flat.numel()));
  return flat.view({-1, channels, height, width});
}

Batch read_batch(const Reader& batch, const Network& network) {
  const at::Tensor images = read_images(batch["images"], network);
  const std::vector<int32_t> labels = batch["labels"].int32s();
  if (static_cast<int64_t>(labels.size()) != images.size(0))
    throw std::invalid_argument(batch.path() + " has " + std::to_string(images.size(0)) + " images and " +
                                std::to_string(labels.size()) + " labels");
  for (const int32_t label : labels)
    if (label < 0 || label >= network.graph.classes)
      throw std::invalid_argument(batch.path() + ".labels names class " + std::to_string(label));
  const auto options = at::TensorOptions().dtype(at::kLong);
  return {at::arange(images.size(0), options), images,
          at::tensor(at::ArrayRef<int32_t>(labels), at::kInt).to(options)};
}

at::Tensor placed(const at::Tensor& images, at::Device device) {
  return images.to(device).contiguous(at::MemoryFormat::ChannelsLast);
}
Batch placed(const Batch& batch, at::Device device) {
  return {batch.indices.to(device), placed(batch.images, device), batch.labels.to(device)};
}

at::Tensor flat_copy(const at::Tensor& tensor, at::ScalarType type) {
  return tensor.detach().to(at::kCPU).to(type).contiguous().flatten();
}

}  // namespace coppice
