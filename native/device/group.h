// Several devices, or threads of the CPU, that work on parts of the same thing and add up what they have.
#pragma once
#include <ATen/ATen.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace coppice {

/// Thrown to members that wait for one that has failed.
struct GroupBroken : std::runtime_error {
  GroupBroken() : std::runtime_error("another device of the group has failed") {}
};

/// What adds up over the GPUs of a host: NCCL.
class Nccl;

/// A member is a thread of its own for each device, with a rank from 0. All members call the same functions
/// in the same order; each call waits for the others, on the host for the CPU, on the device's stream for
/// CUDA.
class Group {
 public:
  /// One device for each rank: all `cpu`, or different CUDA devices of this host.
  explicit Group(std::vector<at::Device> devices);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int size() const { return static_cast<int>(devices_.size()); }
  at::Device device(int rank) const { return devices_[rank]; }

  /// Adds up the members' values (contiguous, float32 or float64, of one size), in place. All get the same
  /// bits; on the CPU the order of addition is that of the ranks.
  void sum(int rank, const at::Tensor& values);
  /// Gives everybody the value of rank 0.
  int64_t agree(int rank, int64_t value);
  /// Makes everybody who waits, now or later, throw GroupBroken.
  void fail() noexcept;

 private:
  void wait();
  template <class T>
  void sum_on_host(int rank, const at::Tensor& values);

  const std::vector<at::Device> devices_;
  std::unique_ptr<Nccl> nccl_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  int waiting_ = 0;
  int64_t round_ = 0;
  bool broken_ = false;
  int64_t agreed_ = 0;
  std::vector<void*> parts_;  ///< what each member adds
};

/// The part of a batch that a member has.
struct Part {
  Group* group = nullptr;  ///< none: the batch is whole
  int rank = 0;
  int64_t begin = 0;  ///< of the batch
  int64_t total = 0;  ///< images of the whole batch
  /// Off for members beyond the number of images: they take one that is another's, so that all do the same
  /// steps, and it counts for nothing.
  bool counts = true;

  bool whole() const { return group == nullptr; }
  /// Adds up over the parts, in place.
  void sum(const at::Tensor& values) const {
    if (!counts) values.zero_();
    group->sum(rank, values);
  }
};

/// How many images of a batch of `total` a member has, and from which on.
struct Share {
  int64_t begin, size;
  bool counts;
};
Share share_of(int64_t total, int rank, int members);

}  // namespace coppice
