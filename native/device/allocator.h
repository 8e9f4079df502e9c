// A caching allocator for host memory. A training step asks for the same sizes again and again; returning
// them to the system each time costs a page fault per 4 KiB (15 to 25 % of a step), and glibc's own caching
// fragments.
#pragma once
#include <cstdint>

namespace coppice {

/// Bytes of one device.
struct MemoryInfo {
  int64_t allocated = 0;  ///< in use now
  int64_t peak = 0;       ///< largest ever in use since the last reset
  int64_t reserved = 0;   ///< held from the system, in use or not
  int64_t total = 0;      ///< that the device has
  int64_t free = 0;       ///< of it, what nobody holds
};

/// Makes every libtorch tensor on the CPU come from the caching allocator. Idempotent.
void install_caching_allocator();

MemoryInfo host_memory();
void reset_host_peak();

/// Returns all cached blocks to the system.
void empty_host_cache();

}  // namespace coppice
