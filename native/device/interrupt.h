// How a running job is told to stop, and where it lets others in.
#pragma once
#include <atomic>
#include <exception>
#include <functional>

namespace coppice {

/// Thrown inside a job once it was cancelled.
struct Aborted : std::exception {
  const char* what() const noexcept override { return "the job was aborted"; }
};

/// Flags set from another thread. `cancel` drops the running batch, `pause` lets it finish.
struct Interrupt {
  std::atomic<bool> cancelled{false};
  std::atomic<bool> paused{false};
  /// Runs the brief jobs that wait; set by the engine before a long job starts.
  std::function<void()> let_brief_jobs_in;

  /// Called between operations; throws Aborted once the job was cancelled.
  void check() const {
    if (cancelled.load(std::memory_order_relaxed)) throw Aborted{};
  }
  /// Called between batches, when all that others may look at is whole.
  void between_batches() const {
    check();
    if (let_brief_jobs_in) let_brief_jobs_in();
  }
};

}  // namespace coppice
