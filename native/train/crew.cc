#include "train/crew.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "device/device.h"

namespace coppice {
namespace {

std::vector<at::Device> all_devices(const Network& network, const TrainPlan& plan) {
  std::vector<at::Device> devices{network.device};
  devices.insert(devices.end(), plan.more_devices.begin(), plan.more_devices.end());
  return devices;
}

}  // namespace

Network copy_to(const Network& network, at::Device device) {
  Network copy(network.graph, device, network.type);
  copy.parameters.copy_(network.parameters);
  copy.buffers.copy_(network.buffers);
  copy.mask.copy_(network.mask);
  if (network.moment1.defined()) copy.moment1 = network.moment1.to(device, network.type, false, true);
  if (network.moment2.defined()) copy.moment2 = network.moment2.to(device, network.type, false, true);
  if (network.average.defined()) copy.average = network.average.to(device, network.type, false, true);
  return copy;
}

Crew::Crew(const Network& network, const Dataset& dataset, const TrainPlan& plan, const Interrupt& interrupt)
    : threads_before_(at::get_num_threads()), group_(all_devices(network, plan)) {
  for (int rank = 1; rank < group_.size(); ++rank) {
    const at::Device device = group_.device(rank);
    networks_.push_back(copy_to(network, device));
    datasets_.push_back({dataset.images.to(device), dataset.labels.to(device), dataset.classes});
  }
  // Threads of the CPU are shared; devices have their own arithmetic, and need one thread each.
  const bool host = network.device.is_cpu();
  const int threads = host ? std::max(1, threads_before_ / group_.size()) : 1;
  if (host) at::set_num_threads(threads);
  for (int rank = 1; rank < group_.size(); ++rank)
    threads_.emplace_back([this, rank, &plan, &interrupt, threads] { work(rank, plan, interrupt, threads); });
}

Crew::~Crew() {
  group_.fail();
  join();
}

void Crew::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (at::get_num_threads() != threads_before_) at::set_num_threads(threads_before_);
}

void Crew::end() {
  group_.agree(0, kEnd);
  join();
}

void Crew::rethrow() {
  group_.fail();
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
}

void Crew::work(int rank, const TrainPlan& plan, const Interrupt& interrupt, int threads) {
  try {
    const at::NoGradGuard no_grad;
    prepare_thread(group_.device(rank), threads);
    Worker worker(networks_[rank - 1], datasets_[rank - 1], plan, interrupt, &group_, rank);
    for (int64_t number; (number = group_.agree(rank, 0)) != kEnd;) worker.step(number);
  } catch (const GroupBroken&) {
    // Another one has failed.
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    group_.fail();
  }
}

}  // namespace coppice
