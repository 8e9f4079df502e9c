// The jobs on networks: training, evaluation, and single passes on given numbers.
#pragma once
#include <napi.h>

namespace coppice {

Napi::Value start_train(const Napi::CallbackInfo& info);
Napi::Value start_evaluate(const Napi::CallbackInfo& info);
Napi::Value start_gradients(const Napi::CallbackInfo& info);
Napi::Value start_forward(const Napi::CallbackInfo& info);
Napi::Value start_backward(const Napi::CallbackInfo& info);
Napi::Value start_step(const Napi::CallbackInfo& info);
Napi::Value start_image_gradients(const Napi::CallbackInfo& info);
Napi::Value start_attack(const Napi::CallbackInfo& info);

}  // namespace coppice
