#include "addon/main_thread.h"

#include <memory>

namespace coppice {

MainThread::MainThread(Napi::Env env) : channel_(Channel::New(env, "coppice", 0, 1)) { channel_.Unref(env); }

void MainThread::post(Task task) {
  auto owned = std::make_unique<Task>(std::move(task));
  if (channel_.NonBlockingCall(owned.get()) == napi_ok) owned.release();
}

void MainThread::run(Napi::Env env, Napi::Function, std::nullptr_t*, Task* task) {
  const std::unique_ptr<Task> owned(task);
  // Without an environment the call is only an opportunity to free the task.
  if (static_cast<napi_env>(env) != nullptr) (*owned)(env);
}

void MainThread::hold(Napi::Env env) {
  if (pending_++ == 0) channel_.Ref(env);
}

void MainThread::let_go(Napi::Env env) {
  if (--pending_ == 0) channel_.Unref(env);
}

void MainThread::close() { channel_.Abort(); }

}  // namespace coppice
