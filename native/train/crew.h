// The devices that share training steps with the network's own.
#pragma once
#include <deque>
#include <exception>
#include <thread>

#include "train/worker.h"

namespace coppice {

/// A copy of a network.
Network copy_to(const Network& network, at::Device device);

/// The plan's more devices, each with a thread, a copy of network and data, and a worker, which does whatever
/// step the leader, rank 0, begins.
class Crew {
 public:
  Crew(const Network& network, const Dataset& dataset, const TrainPlan& plan, const Interrupt& interrupt);
  /// Ends the others' work, wherever they are.
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  Group& group() { return group_; }
  /// Lets the others begin a step; the leader does the same step then.
  void begin(int64_t number) { group_.agree(0, number); }
  /// After the last step.
  void end();
  /// Throws what one of the others has thrown, if they made the leader's work fail.
  void rethrow();

 private:
  static constexpr int64_t kEnd = -1;
  void join();
  void work(int rank, const TrainPlan& plan, const Interrupt& interrupt, int threads);

  const int threads_before_;
  Group group_;
  std::deque<Network> networks_;
  std::deque<Dataset> datasets_;
  std::mutex mutex_;
  std::exception_ptr failure_;  ///< the first of the others
  std::vector<std::thread> threads_;
};

}  // namespace coppice
