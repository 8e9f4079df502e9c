// One thread that does all the work for one device, in order. Node's own threads never touch a tensor for
// long.
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

#include "device/interrupt.h"

namespace coppice {

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
  void post(std::shared_ptr<Interrupt> interrupt, Job job);

 private:
  void run();

  struct Item {
    std::shared_ptr<Interrupt> interrupt;
    Job job;
  };
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
