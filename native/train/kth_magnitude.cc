#include "train/kth_magnitude.h"

#include <ATen/Parallel.h>

#include <mutex>

#include "device/device.h"
#include "train/kth_magnitude_kernels.h"

namespace coppice {
namespace {

constexpr int64_t kChunk = 1 << 16;

/// Structures as bytes on a device.
template <class T>
at::Tensor bytes_of(const std::vector<T>& items, at::Device device) {
  const auto size = static_cast<int64_t>(items.size() * sizeof(T));
  at::Tensor bytes = at::empty({size}, at::kByte);
  if (size > 0) std::memcpy(bytes.mutable_data_ptr(), items.data(), static_cast<size_t>(size));
  return bytes.to(device);
}

template <class T>
T* items(const at::Tensor& bytes) {
  return static_cast<T*>(bytes.mutable_data_ptr());
}

template <class T>
void select_on_host(const Selection<T>& s) {
  for (int digit = kDigitCount<T> - 1; digit >= 0; --digit) {
    std::mutex merging;
    at::parallel_for(0, s.chunk_count, 1, [&](int64_t begin, int64_t end) {
      std::vector<uint32_t> counts(kDigits);
      for (int64_t index = begin; index < end; ++index) {
        const Chunk& chunk = s.chunks[index];
        const Selected selected = s.selected[chunk.segment];
        for (int64_t i = chunk.begin; i < chunk.end; ++i)
          if (const int found = digit_of(s.values[i], selected, digit * kDigitBits); found >= 0)
            ++counts[found];
        if (index + 1 < end && s.chunks[index + 1].segment == chunk.segment) continue;
        const std::lock_guard lock(merging);
        uint32_t* total = s.counts + int64_t{chunk.segment} * kDigits;
        for (int i = 0; i < kDigits; ++i) total[i] += counts[i], counts[i] = 0;
      }
    });
    for (int64_t segment = 0; segment < s.segments; ++segment)
      select_digit(s.selected[segment], s.counts + segment * kDigits);
    std::fill_n(s.counts, s.segments * kDigits, 0u);
  }
}

template <class T>
void zero_on_host(const Zeroing<T>& z) {
  at::parallel_for(0, z.chunk_count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const Chunk& chunk = z.chunks[index];
      const uint64_t most = z.selected[chunk.segment].prefix;
      for (int64_t i = chunk.begin; i < chunk.end; ++i)
        z.values[i] = magnitude_bits(z.scores[i]) <= most ? T(0) : z.values[i];
    }
  });
}

}  // namespace

SmallestRemoved::SmallestRemoved(const std::vector<Removal>& removals, const at::Tensor& arena)
    : segments_(static_cast<int64_t>(removals.size())) {
  std::vector<Chunk> chunks;
  std::vector<Selected> start;
  for (const Removal& removal : removals) {
    const int64_t end = removal.begin + removal.size;
    for (int64_t begin = removal.begin; begin < end; begin += kChunk)
      chunks.push_back({begin, std::min(begin + kChunk, end), static_cast<int32_t>(start.size())});
    start.push_back({0, removal.count - 1});
  }
  chunks_ = bytes_of(chunks, arena.device());
  start_ = bytes_of(start, arena.device());
  selected_ = at::empty_like(start_);
  counts_ = at::zeros({segments_ * kDigits}, arena.options().dtype(at::kInt));
}

void SmallestRemoved::apply(const at::Tensor& scores, const at::Tensor& values) {
  if (segments_ == 0) return;
  selected_.copy_(start_);
  const int64_t chunk_count = static_cast<int64_t>(chunks_.nbytes() / sizeof(Chunk));
  const auto run = [&](auto zero) {
    using T = decltype(zero);
    const Selection<T> selection{scores.const_data_ptr<T>(), items<const Chunk>(chunks_), chunk_count,
                                 items<Selected>(selected_), items<uint32_t>(counts_),    segments_};
    const Zeroing<T> zeroing{scores.const_data_ptr<T>(), values.mutable_data_ptr<T>(),
                             items<const Chunk>(chunks_), chunk_count, items<const Selected>(selected_)};
    on_device(
        scores.device(),
        [&] {
          select_on_host(selection);
          zero_on_host(zeroing);
        },
        [&](void* stream) { COPPICE_CUDA_ONLY(select_cuda(selection, stream); zero_cuda(zeroing, stream)); });
  };
  if (scores.scalar_type() == at::kDouble)
    run(double{});
  else
    run(float{});
}

}  // namespace coppice
