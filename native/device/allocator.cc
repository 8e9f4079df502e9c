#include "device/allocator.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>

namespace coppice {
namespace {

constexpr size_t kAlignment = 64;          // a cache line, and an AVX-512 register
constexpr size_t kCachedFrom = 64 * 1024;  // smaller ones are glibc's business
constexpr size_t kHugePage = 2 * 1024 * 1024;
constexpr size_t kGuardedFrom = 16 * 1024 * 1024;

/// A number from a small file such as /sys/fs/cgroup/memory.max; SIZE_MAX where there is none.
size_t read_number(const char* path) {
  std::ifstream file(path);
  size_t value = 0;
  return file >> value ? value : SIZE_MAX;
}

/// Bytes that the system, or the container's limit, could still give; SIZE_MAX where neither tells.
size_t available_memory() {
  size_t available = SIZE_MAX;
  std::ifstream file("/proc/meminfo");
  for (std::string key; file >> key;)
    if (key == "MemAvailable:" && file >> available) available *= 1024;
  const size_t limit = read_number("/sys/fs/cgroup/memory.max"),
               used = read_number("/sys/fs/cgroup/memory.current");
  if (limit != SIZE_MAX && used != SIZE_MAX) available = std::min(available, limit > used ? limit - used : 0);
  return available;
}

/// Sizes are rounded so that close sizes share blocks: to a power of two's eighth, at most 12.5 % too large.
size_t rounded(size_t bytes) {
  size_t unit = 4096;
  while (unit * 16 <= bytes) unit *= 2;
  return (bytes + unit - 1) / unit * unit;
}

class CachingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes == 0 ? nullptr : take(bytes);
    return {data, data, &CachingAllocator::release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &CachingAllocator::release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }

  MemoryInfo info() {
    std::lock_guard lock(mutex_);
    return info_;
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    info_.peak = info_.allocated;
  }
  void trim() {
    std::lock_guard lock(mutex_);
    drop_free_blocks();
  }

  static CachingAllocator& instance() {
    // Never destroyed: tensors in libtorch's own statics may outlive every other object.
    static auto* allocator = new CachingAllocator();
    return *allocator;
  }

 private:
  void* take(size_t bytes) {
    std::lock_guard lock(mutex_);
    size_t size = bytes < kCachedFrom ? (bytes + kAlignment - 1) / kAlignment * kAlignment : rounded(bytes);
    void* data = nullptr;
    // The smallest cached block that fits, unless it would waste more than a quarter.
    if (auto found = free_.lower_bound(size); found != free_.end() && found->first <= size + size / 4) {
      std::tie(size, data) = *found;
      free_.erase(found);
    } else {
      data = from_system(size);
      info_.reserved += static_cast<int64_t>(size);
    }
    sizes_.emplace(data, size);
    info_.allocated += static_cast<int64_t>(size);
    info_.peak = std::max(info_.peak, info_.allocated);
    return data;
  }

  void* from_system(size_t size) {
    if (size >= kGuardedFrom && size > available_memory()) {
      drop_free_blocks();
      // Linux would grant the address space and kill the process when it is touched: refuse while it can be
      // caught.
      if (size > available_memory()) out_of_memory(size);
    }
    void* data = nullptr;
    const bool huge = size >= kHugePage;
    if (posix_memalign(&data, huge ? kHugePage : kAlignment, size) != 0) {
      drop_free_blocks();
      if (posix_memalign(&data, kAlignment, size) != 0) out_of_memory(size);
    }
    if (huge) madvise(data, size, MADV_HUGEPAGE);
    return data;
  }

  [[noreturn]] static void out_of_memory(size_t size) {
    C10_THROW_ERROR(OutOfMemoryError,
                    c10::str("out of memory: ", size / (1024 * 1024), " MiB more are needed on the CPU and ",
                             available_memory() / (1024 * 1024), " MiB are available"));
  }

  void drop_free_blocks() {
    for (const auto& [size, data] : free_) {
      info_.reserved -= static_cast<int64_t>(size);
      std::free(data);
    }
    free_.clear();
  }

  static void release(void* data) {
    if (data != nullptr) instance().give(data);
  }

  void give(void* data) {
    std::lock_guard lock(mutex_);
    const auto found = sizes_.find(data);
    if (found == sizes_.end())
      return std::free(data);  // of libtorch's own allocator, from before this one's time
    const size_t size = found->second;
    sizes_.erase(found);
    info_.allocated -= static_cast<int64_t>(size);
    if (size >= kCachedFrom) {
      free_.emplace(size, data);
    } else {
      info_.reserved -= static_cast<int64_t>(size);
      std::free(data);
    }
  }

  std::mutex mutex_;
  std::multimap<size_t, void*> free_;
  std::unordered_map<void*, size_t> sizes_;
  MemoryInfo info_;
};

}  // namespace

void install_caching_allocator() { c10::SetCPUAllocator(&CachingAllocator::instance(), /*priority=*/100); }
MemoryInfo host_memory() {
  MemoryInfo info = CachingAllocator::instance().info();
  const auto pages = [](int name) { return static_cast<int64_t>(sysconf(name)); };
  info.total = pages(_SC_PHYS_PAGES) * pages(_SC_PAGESIZE);
  info.free = static_cast<int64_t>(std::min(available_memory(), static_cast<size_t>(info.total)));
  return info;
}
void reset_host_peak() { CachingAllocator::instance().reset_peak(); }
void empty_host_cache() { CachingAllocator::instance().trim(); }

}  // namespace coppice
