// Inference engines of pruned networks.
#pragma once
#include <napi.h>

namespace coppice {

/// compile(network, request)
Napi::Value start_compile(const Napi::CallbackInfo& info);
/// peak(type)
Napi::Value start_peak(const Napi::CallbackInfo& info);

}  // namespace coppice
