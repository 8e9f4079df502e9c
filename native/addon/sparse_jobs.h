// Inference engines of pruned networks.
#pragma once
#include <napi.h>

namespace coppice {

/// compile(network, request)
Napi::Value start_compile(const Napi::CallbackInfo& info);
/// evaluateEngine(engine, network or null, dataset, request, onProgress)
Napi::Value start_evaluate_engine(const Napi::CallbackInfo& info);
/// peak(type)
Napi::Value start_peak(const Napi::CallbackInfo& info);

}  // namespace coppice
