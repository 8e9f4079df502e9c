// Runs work on a device's engine and settles a promise with it: { promise, cancel(), pause() }.
#pragma once
#include <napi.h>

#include <memory>

#include "addon/addon.h"
#include "addon/errors.h"
#include "graph/network.h"

namespace coppice {

/// A JavaScript callback that an engine thread may call through the main thread. Only the main thread frees
/// it.
struct Listener {
  Napi::FunctionReference callback;
  std::exception_ptr thrown;  ///< by the callback; it cancels the job, whose promise then rejects with it
};

struct Job {
  explicit Job(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  std::shared_ptr<Interrupt> interrupt = std::make_shared<Interrupt>();
  Napi::Promise::Deferred deferred;
  Listener* listener = nullptr;

  /// On the main thread, once. Returns what the listener threw, if it did.
  std::exception_ptr settle(Napi::Env env) {
    const std::exception_ptr thrown = listener ? listener->thrown : nullptr;
    delete listener;
    listener = nullptr;
    Addon::of(env).main_thread.let_go(env);
    return thrown;
  }
};

/// Where a job runs, and what it does there.
struct Place {
  at::Device device;
  Access access;
};
inline Place brief_read(const Network& network) { return {network.device, {&network, false, true}}; }
inline Place brief_write(const Network& network) { return {network.device, {&network, true, true}}; }
inline Place long_read(const Network& network) { return {network.device, {&network, false, false}}; }
inline Place long_write(const Network& network) { return {network.device, {&network, true, false}}; }
/// For jobs on nothing that others could change.
inline Place brief(at::Device device) { return {device, {nullptr, false, true}}; }
inline Place lengthy(at::Device device) { return {device, {}}; }

/// The object that JavaScript gets for a job.
Napi::Object job_object(Napi::Env env, const std::shared_ptr<Job>& job);

/// `work` runs on the engine; `convert` turns its result into a JavaScript value on the main thread.
template <class Work, class Convert>
Napi::Object start_job(Napi::Env env, Place place, std::shared_ptr<Job> job, Work work, Convert convert) {
  Addon& addon = Addon::of(env);
  // First, since it throws once the addon is closed and the main thread's channel with it.
  Engine& engine = addon.engine(place.device);
  addon.main_thread.hold(env);
  engine.post(
      job->interrupt, place.access,
      [&addon, job, work = std::move(work), convert = std::move(convert)](std::exception_ptr unprepared) {
        const auto reject = [&](std::exception_ptr error) {
          addon.main_thread.post([job, error](Napi::Env env) {
            const std::exception_ptr thrown = job->settle(env);
            job->deferred.Reject(to_js_error(env, thrown ? thrown : error));
          });
        };
        try {
          if (unprepared) std::rethrow_exception(unprepared);
          job->interrupt->check();
          auto result = std::make_shared<decltype(work(*job->interrupt))>(work(*job->interrupt));
          addon.main_thread.post([job, result, convert](Napi::Env env) {
            try {
              if (const std::exception_ptr thrown = job->settle(env)) std::rethrow_exception(thrown);
              job->deferred.Resolve(convert(env, *result));
            } catch (...) {
              job->deferred.Reject(to_js_error(env, std::current_exception()));
            }
          });
        } catch (...) {
          reject(std::current_exception());
        }
      });
  return job_object(env, job);
}

template <class Work, class Convert>
Napi::Object start_job(Napi::Env env, Place place, Work work, Convert convert) {
  return start_job(env, place, std::make_shared<Job>(env), std::move(work), std::move(convert));
}

/// Calls the job's listener with a value made on the main thread; calls that come too late are dropped.
void notify(Addon& addon, const std::shared_ptr<Job>& job, std::function<Napi::Value(Napi::Env)> make);

}  // namespace coppice
