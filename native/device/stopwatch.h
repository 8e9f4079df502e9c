// Time that a device works on what is queued between two moments.
#pragma once
#include <ATen/ATen.h>

#include <chrono>
#include <memory>

namespace coppice {

/// Events on the device's current stream for CUDA, the clock for the CPU.
class Stopwatch {
 public:
  explicit Stopwatch(at::Device device);
  ~Stopwatch();
  void start();
  /// Since `start`; waits until what was queued is done.
  double seconds();

 private:
  struct Events;
  std::unique_ptr<Events> events_;  ///< null on the CPU
  std::chrono::steady_clock::time_point start_;
};

}  // namespace coppice
