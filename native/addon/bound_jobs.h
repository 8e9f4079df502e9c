// The jobs that bound networks.
#pragma once
#include <napi.h>

namespace coppice {

Napi::Value start_verify(const Napi::CallbackInfo& info);
Napi::Value start_bounds(const Napi::CallbackInfo& info);
Napi::Value start_margins(const Napi::CallbackInfo& info);

}  // namespace coppice
