#include "addon/job.h"

namespace coppice {

Napi::Object job_object(Napi::Env env, const std::shared_ptr<Job>& job) {
  const auto flag = [&](const char* name, std::atomic<bool> Interrupt::*which) {
    return guarded(env, name, [interrupt = job->interrupt, which](const Napi::CallbackInfo& info) {
      (*interrupt).*which = true;
      return info.Env().Undefined();
    });
  };
  auto object = Napi::Object::New(env);
  object.Set("promise", job->deferred.Promise());
  object.Set("cancel", flag("cancel", &Interrupt::cancelled));
  object.Set("pause", flag("pause", &Interrupt::paused));
  return object;
}

void notify(Addon& addon, const std::shared_ptr<Job>& job, std::function<Napi::Value(Napi::Env)> make) {
  if (job->listener == nullptr) return;
  addon.main_thread.post([job, make = std::move(make)](Napi::Env env) {
    if (job->listener == nullptr || job->listener->thrown) return;
    try {
      job->listener->callback.Call({make(env)});
    } catch (const Napi::Error&) {
      job->listener->thrown = std::current_exception();
      job->interrupt->cancelled = true;
    }
  });
}

}  // namespace coppice
