#include "device/group.h"

#include <algorithm>

#include "device/device.h"
#include "device/nccl.h"

namespace coppice {
namespace {

bool all_cpu(const std::vector<at::Device>& devices) {
  return std::all_of(devices.begin(), devices.end(),
                     [](const at::Device& device) { return device.is_cpu(); });
}

}  // namespace

Group::Group(std::vector<at::Device> devices) : devices_(std::move(devices)), parts_(devices_.size()) {
  if (!all_cpu(devices_)) nccl_ = std::make_unique<Nccl>(devices_);
}

Group::~Group() = default;

void Group::wait() {
  std::unique_lock lock(mutex_);
  if (broken_) throw GroupBroken();
  const int64_t round = round_;
  if (++waiting_ == size()) {
    waiting_ = 0;
    ++round_;
    all_here_.notify_all();
    return;
  }
  all_here_.wait(lock, [&] { return broken_ || round_ != round; });
  if (round_ == round) throw GroupBroken();
}

void Group::fail() noexcept {
  {
    std::lock_guard lock(mutex_);
    broken_ = true;
  }
  all_here_.notify_all();
  if (nccl_) nccl_->abort();
}

int64_t Group::agree(int rank, int64_t value) {
  if (rank == 0) agreed_ = value;
  wait();
  const int64_t agreed = agreed_;
  wait();  // before rank 0 gives the next one
  return agreed;
}

void Group::sum(int rank, const at::Tensor& values) {
  TORCH_CHECK(values.is_contiguous(), "sums over devices are of contiguous tensors");
  if (nccl_) return nccl_->sum(rank, values);
  if (values.scalar_type() == at::kDouble)
    sum_on_host<double>(rank, values);
  else
    sum_on_host<float>(rank, values);
}

template <class T>
void Group::sum_on_host(int rank, const at::Tensor& values) {
  parts_[rank] = values.data_ptr<T>();
  wait();
  // Each member adds up a stretch of its own for all of them.
  const int64_t count = values.numel(), begin = count * rank / size(), end = count * (rank + 1) / size();
  constexpr int64_t kRun = 2048;
  std::vector<T> total(std::min(kRun, end - begin));
  for (int64_t from = begin; from < end; from += kRun) {
    const int64_t length = std::min(kRun, end - from);
    const auto part = [&](int member) { return static_cast<T*>(parts_[member]) + from; };
    std::copy_n(part(0), length, total.data());
    for (int member = 1; member < size(); ++member)
      for (int64_t i = 0; i < length; ++i) total[i] += part(member)[i];
    for (int member = 0; member < size(); ++member) std::copy_n(total.data(), length, part(member));
  }
  wait();
}

Share share_of(int64_t total, int rank, int members) {
  const int64_t begin = total * rank / members, end = total * (rank + 1) / members;
  if (begin < end) return {begin, end - begin, true};
  return {0, 1, false};
}

}  // namespace coppice
