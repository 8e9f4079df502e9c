// Native results as JavaScript values.
#pragma once
#include <ATen/ATen.h>
#include <napi.h>

#include <cstring>
#include <vector>

namespace coppice {

/// A typed array over the tensor's memory (uint8, float32 or float64, on the CPU, contiguous), which it keeps
/// alive.
Napi::Value to_typed_array(Napi::Env env, const at::Tensor& tensor);

template <class JsArray, class T>
Napi::Value to_typed_array(Napi::Env env, const std::vector<T>& values) {
  auto array = JsArray::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
  return array;
}

Napi::Value to_js_array(Napi::Env env, const std::vector<int64_t>& values);

}  // namespace coppice
