// The state of the addon in one Node environment (the main thread or a worker): no statics, so workers are
// safe.
#pragma once
#include <napi.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "addon/engine.h"
#include "addon/main_thread.h"

namespace coppice {

struct HandleDisposed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Somebody else owns what should be written.
struct Busy : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Addon {
 public:
  explicit Addon(Napi::Env env);
  static Addon& of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

  /// The engine of a device, started on first use.
  Engine& engine(at::Device device);
  /// Stops all engines; their unfinished jobs never settle. Idempotent. Called by a cleanup hook when a
  /// worker ends, and from JavaScript's `exit` event, because process.exit runs no cleanup hooks but destroys
  /// libtorch's statics.
  void close();

  MainThread main_thread;
  std::atomic<int> threads;
  Napi::FunctionReference error_class;

 private:
  std::map<std::string, std::unique_ptr<Engine>> engines_;
  bool closed_ = false;
};

}  // namespace coppice
