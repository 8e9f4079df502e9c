// One thread that does all the work for one device, in order, except that brief jobs do not wait for the end
// of long ones: they run between two batches. Node's own threads never touch a tensor for long.
#pragma once
#include <ATen/core/Tensor.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "device/interrupt.h"

namespace coppice {

/// What a job does to a network (`subject`; null: to none that others know).
struct Access {
  const void* subject = nullptr;
  bool writes = false;
  bool brief = false;  ///< takes no longer than a batch

  /// Whether `later`, which is brief, must wait for the end of this job. What a long job writes may be read
  /// between its batches.
  bool holds_up(const Access& later) const {
    return subject != nullptr && subject == later.subject && (later.writes || (writes && brief));
  }
};

class Engine {
 public:
  /// `threads` is read before every job, so that a change takes effect with the next one.
  Engine(at::Device device, const std::atomic<int>& threads);
  /// Cancels everything and waits for the running job to notice, which takes at most one batch.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// A job's argument is what went wrong when the thread was prepared for the device, or null. Jobs must not
  /// throw.
  using Job = std::function<void(std::exception_ptr unprepared)>;
  void post(std::shared_ptr<Interrupt> interrupt, Access access, Job job);

 private:
  void run();
  /// Runs, between two batches of a long job, the brief ones that wait now; for those that come meanwhile the
  /// next batch does not wait.
  void run_brief(const Access& running);

  struct Item {
    std::shared_ptr<Interrupt> interrupt;
    Access access;
    Job job;
  };
  std::vector<Item> take_brief(const Access& running);

  const at::Device device_;
  const std::atomic<int>& threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> queue_;
  std::shared_ptr<Interrupt> running_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace coppice
