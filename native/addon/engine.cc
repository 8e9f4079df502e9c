#include "addon/engine.h"

#include <algorithm>

#include "device/device.h"

namespace coppice {

Engine::Engine(at::Device device, const std::atomic<int>& threads)
    : device_(device), threads_(threads), thread_([this] { run(); }) {}

Engine::~Engine() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    if (running_) running_->cancelled = true;
    for (const Item& item : queue_) item.interrupt->cancelled = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Engine::post(std::shared_ptr<Interrupt> interrupt, Access access, Job job) {
  if (!access.brief) interrupt->let_brief_jobs_in = [this, access] { run_brief(access); };
  {
    std::lock_guard lock(mutex_);
    queue_.push_back({std::move(interrupt), access, std::move(job)});
  }
  wake_.notify_one();
}

void Engine::run() {
  int prepared_for = 0;
  while (true) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      running_.reset();
      wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      item = std::move(queue_.front());
      queue_.pop_front();
      running_ = item.interrupt;
    }
    std::exception_ptr unprepared;
    try {
      if (const int threads = threads_; threads != prepared_for) {
        prepare_thread(device_, threads);
        prepared_for = threads;
      }
    } catch (...) {
      unprepared = std::current_exception();
    }
    item.job(unprepared);
  }
}

void Engine::run_brief(const Access& running) {
  for (const Item& item : take_brief(running)) item.job(nullptr);
}

std::vector<Engine::Item> Engine::take_brief(const Access& running) {
  std::lock_guard lock(mutex_);
  std::vector<Item> taken;
  std::vector<Access> earlier{running};
  for (auto item = queue_.begin(); item != queue_.end();) {
    const Access access = item->access;
    const bool waits = !access.brief || std::any_of(earlier.begin(), earlier.end(),
                                                    [&](const Access& one) { return one.holds_up(access); });
    if (waits) {
      earlier.push_back(access);
      ++item;
    } else {
      taken.push_back(std::move(*item));
      item = queue_.erase(item);
    }
  }
  return taken;
}

}  // namespace coppice
