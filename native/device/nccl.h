// Sums over the GPUs of a host.
#pragma once
#include <ATen/ATen.h>

#include <atomic>
#include <vector>

namespace coppice {

/// NCCL as libtorch's CUDA builds bring it along, found when it is needed: one communicator for each device,
/// made together, in one process. Sums are queued on each device's current stream and may be part of a CUDA
/// graph.
class Nccl {
 public:
  /// Throws DeviceError where a device is no CUDA device or comes twice, or NCCL is not there.
  explicit Nccl(const std::vector<at::Device>& devices);
  ~Nccl();
  Nccl(const Nccl&) = delete;
  Nccl& operator=(const Nccl&) = delete;

  void sum(int rank, const at::Tensor& values);
  /// Ends sums that wait for a member that will not come.
  void abort() noexcept;

 private:
  struct Library;
  const Library& library_;
  std::vector<at::Device> devices_;
  std::vector<void*> communicators_;
  std::atomic<bool> aborted_{false};
};

}  // namespace coppice
