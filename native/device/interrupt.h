// How a running job is told to stop.
#pragma once
#include <atomic>
#include <exception>

namespace coppice {

/// Thrown inside a job once it was cancelled.
struct Aborted : std::exception {
  const char* what() const noexcept override { return "the job was aborted"; }
};

/// Flags set from another thread. `cancel` drops the running batch, `pause` lets it finish.
struct Interrupt {
  std::atomic<bool> cancelled{false};
  std::atomic<bool> paused{false};
  /// Called between operations; throws Aborted once the job was cancelled.
  void check() const {
    if (cancelled.load(std::memory_order_relaxed)) throw Aborted{};
  }
};

}  // namespace coppice
