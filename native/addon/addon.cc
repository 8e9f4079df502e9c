// What the addon exports. bindings/native.ts states the contract.
#include "addon/addon.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include "addon/bound_jobs.h"
#include "addon/errors.h"
#include "addon/handles.h"
#include "addon/jobs.h"
#include "addon/limits.h"
#include "addon/reader.h"
#include "addon/sparse_jobs.h"
#include "device/device.h"
#include "device/limits.h"

namespace coppice {
namespace {

Napi::Value info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  auto object = Napi::Object::New(env);
  object.Set("builtAgainst", TORCH_VERSION);
  object.Set("cudaKernels", has_cuda_kernels());
  object.Set("cudaAvailable", at::hasCUDA());
  auto devices = Napi::Array::New(env);
  for (const DeviceName& device : cuda_devices()) {
    auto row = Napi::Object::New(env);
    row.Set("device", device.device);
    row.Set("name", device.name);
    row.Set("memory", Napi::Number::New(env, static_cast<double>(device.memory)));
    devices.Set(devices.Length(), row);
  }
  object.Set("cudaDevices", devices);
  object.Set("cpuCapability", at::get_cpu_capability());
  return object;
}

Napi::Value memory_info(const Napi::CallbackInfo& call) {
  const MemoryInfo figures = memory(usable_device(Reader(call[0], "device").text()));
  auto object = Napi::Object::New(call.Env());
  object.Set("allocated", Napi::Number::New(call.Env(), static_cast<double>(figures.allocated)));
  object.Set("peak", Napi::Number::New(call.Env(), static_cast<double>(figures.peak)));
  object.Set("reserved", Napi::Number::New(call.Env(), static_cast<double>(figures.reserved)));
  object.Set("total", Napi::Number::New(call.Env(), static_cast<double>(figures.total)));
  object.Set("free", Napi::Number::New(call.Env(), static_cast<double>(figures.free)));
  return object;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  install_caching_allocator();
  auto* addon = new Addon(env);
  env.SetInstanceData(addon);
  env.AddCleanupHook([addon] { addon->close(); });

  const auto export_function = [&](const char* name,
                                   std::function<Napi::Value(const Napi::CallbackInfo&)> body) {
    exports.Set(name, guarded(env, name, std::move(body)));
  };
  export_function("useErrorClass", [addon](const Napi::CallbackInfo& call) {
    addon->error_class = Napi::Persistent(Reader(call[0], "constructor").function());
    return call.Env().Undefined();
  });
  export_function("close", [addon](const Napi::CallbackInfo& call) {
    addon->close();
    return call.Env().Undefined();
  });
  exports.Set("limits", limits_object(env));
  export_function("info", info);
  export_function("setThreads", [addon](const Napi::CallbackInfo& call) {
    addon->threads = static_cast<int>(Reader(call[0], "threads").integer(1, limits::kThreads));
    return call.Env().Undefined();
  });
  export_function("getThreads", [addon](const Napi::CallbackInfo& call) {
    return Napi::Number::New(call.Env(), addon->threads);
  });
  export_function("setDeterministic", [](const Napi::CallbackInfo& call) {
    set_deterministic(Reader(call[0], "deterministic").flag());
    return call.Env().Undefined();
  });
  export_function("memory", memory_info);
  export_function("resetPeakMemory", [](const Napi::CallbackInfo& call) {
    reset_peak_memory(usable_device(Reader(call[0], "device").text()));
    return call.Env().Undefined();
  });
  export_function("emptyCache", [](const Napi::CallbackInfo& call) {
    empty_cache();
    return call.Env().Undefined();
  });
  export_function("createNetwork", create_network);
  export_function("createDataset", create_dataset);
  export_function("train", start_train);
  export_function("evaluate", start_evaluate);
  export_function("evaluateEngine", start_evaluate_engine);
  export_function("gradients", start_gradients);
  export_function("forward", start_forward);
  export_function("backward", start_backward);
  export_function("step", start_step);
  export_function("imageGradients", start_image_gradients);
  export_function("attack", start_attack);
  export_function("verify", start_verify);
  export_function("bounds", start_bounds);
  export_function("margins", start_margins);
  export_function("compile", start_compile);
  export_function("peak", start_peak);
  return exports;
}

}  // namespace

Addon::Addon(Napi::Env env) : main_thread(env), threads(at::get_num_threads()) {}

Engine& Addon::engine(at::Device device) {
  if (closed_) throw HandleDisposed("the addon was closed because the process is ending");
  auto& slot = engines_[device.str()];
  if (!slot) slot = std::make_unique<Engine>(device, threads);
  return *slot;
}

void Addon::close() {
  if (closed_) return;
  closed_ = true;
  engines_.clear();
  main_thread.close();
}

}  // namespace coppice

static Napi::Object initialise_module(Napi::Env env, Napi::Object exports) {
  return coppice::initialise(env, exports);
}
NODE_API_MODULE(coppice, initialise_module)
