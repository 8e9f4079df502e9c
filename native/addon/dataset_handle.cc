// Data sets: bytes that are handed over once and stay on the device.
#include <ATen/core/grad_mode.h>

#include "addon/handles.h"
#include "addon/job.h"
#include "addon/values.h"
#include "device/device.h"
#include "device/limits.h"

namespace coppice {

Napi::Object dataset_object(Napi::Env env, std::shared_ptr<Dataset> dataset) {
  std::shared_ptr<Handle<Dataset>> handle;
  Napi::Object object = make_handle(env, dataset, static_cast<int64_t>(dataset->images.nbytes()), handle);
  object.Set("device", dataset->images.device().str());
  object.Set("length", Napi::Number::New(env, static_cast<double>(dataset->images.size(0))));
  object.Set("shape", to_js_array(env, dataset->images.sizes().slice(1).vec()));
  return object;
}

Napi::Value create_dataset(const Napi::CallbackInfo& info) {
  const Reader options(info[2], "options");
  const at::Device device = usable_device(options["device"].text());
  const int64_t classes = options["classes"].integer(1, limits::kClasses);
  const Reader shape = options["shape"];
  if (shape.length() != 3) shape.refuse("[channels, height, width]");
  int64_t size = 1;
  std::vector<int64_t> sizes{0};
  for (uint32_t i = 0; i < 3; ++i) size *= sizes.emplace_back(shape.at(i).integer(1, limits::kImageSide));
  const at::Tensor images = Reader(info[0], "images").bytes(), labels = Reader(info[1], "labels").bytes();
  sizes[0] = labels.numel();
  if (labels.numel() == 0) throw std::invalid_argument("the data set is empty");
  if (images.numel() != size * labels.numel())
    throw std::invalid_argument(std::to_string(labels.numel()) + " labels need " +
                                std::to_string(size * labels.numel()) + " image bytes, got " +
                                std::to_string(images.numel()));
  return start_job(
      info.Env(), brief(device),
      [=](const Interrupt&) {
        const at::NoGradGuard no_grad;
        if (labels.max().item<int64_t>() >= classes)
          throw std::invalid_argument("a label is " + std::to_string(labels.max().item<int64_t>()) +
                                      ", but there are " + std::to_string(classes) + " classes");
        return std::make_shared<Dataset>(
            Dataset{images.view(sizes).to(device), labels.to(at::kLong).to(device), classes});
      },
      [](Napi::Env env, const std::shared_ptr<Dataset>& dataset) { return dataset_object(env, dataset); });
}

}  // namespace coppice
