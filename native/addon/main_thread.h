// Sends work from engine threads to the environment's JavaScript thread.
#pragma once
#include <napi.h>

#include <functional>

namespace coppice {

class MainThread {
 public:
  using Task = std::function<void(Napi::Env)>;

  explicit MainThread(Napi::Env env);
  /// From any thread. Dropped when the environment is closing.
  void post(Task task);
  /// Keep the process alive while work is pending. JavaScript thread only.
  void hold(Napi::Env env);
  void let_go(Napi::Env env);
  void close();

 private:
  static void run(Napi::Env env, Napi::Function, std::nullptr_t*, Task* task);
  using Channel = Napi::TypedThreadSafeFunction<std::nullptr_t, Task, &MainThread::run>;
  Channel channel_;
  int pending_ = 0;
};

}  // namespace coppice
