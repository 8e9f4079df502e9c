// The k-th smallest magnitude of each of several stretches of an arena, exactly, without sorting.
#pragma once
#include <ATen/ATen.h>

#include <vector>

namespace coppice {

/// A stretch of an arena, and how many of its values are removed.
struct Removal {
  int64_t begin, size;
  int64_t count;  ///< at least 1
};

/// Removes the smallest by magnitude of each stretch: digit by digit of their bits, most significant first,
/// it is counted how many values have each digit (radix selection). Nothing waits for the device.
class SmallestRemoved {
 public:
  SmallestRemoved(const std::vector<Removal>& removals, const at::Tensor& arena);

  /// Sets `values` to zero where the magnitude of `scores`, laid out likewise, is not above the stretch's
  /// `count`-th smallest; of equals, all go.
  void apply(const at::Tensor& scores, const at::Tensor& values);

 private:
  int64_t segments_;
  at::Tensor chunks_, start_, selected_, counts_;  ///< on the device, as bytes
};

}  // namespace coppice
