#include "addon/values.h"

namespace coppice {

Napi::Value to_typed_array(Napi::Env env, const at::Tensor& tensor) {
  const auto count = static_cast<size_t>(tensor.numel());
  Napi::ArrayBuffer buffer;
  if (count == 0) {
    buffer = Napi::ArrayBuffer::New(env, 0);
  } else {
    auto* keep = new at::Tensor(tensor);
    buffer = Napi::ArrayBuffer::New(
        env, tensor.data_ptr(), tensor.nbytes(), [](Napi::BasicEnv, void*, at::Tensor* kept) { delete kept; },
        keep);
  }
  switch (tensor.scalar_type()) {
    case at::kByte:
      return Napi::Uint8Array::New(env, count, buffer, 0);
    case at::kDouble:
      return Napi::Float64Array::New(env, count, buffer, 0);
    case at::kInt:
      return Napi::Int32Array::New(env, count, buffer, 0);
    default:
      return Napi::Float32Array::New(env, count, buffer, 0);
  }
}

Napi::Value to_js_array(Napi::Env env, const std::vector<int64_t>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i)
    array.Set(i, Napi::Number::New(env, static_cast<double>(values[i])));
  return array;
}

}  // namespace coppice
