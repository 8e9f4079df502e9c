// Selection by counting digits on CUDA: a block per chunk counts in shared memory, a block per segment
// chooses.
#include <cuda_runtime.h>

#include "train/kth_magnitude_kernels.h"

namespace coppice {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void count_kernel(Selection<T> s, int shift) {
  __shared__ uint32_t counts[kDigits];
  const Chunk chunk = s.chunks[blockIdx.x];
  const Selected selected = s.selected[chunk.segment];
  for (int i = threadIdx.x; i < kDigits; i += blockDim.x) counts[i] = 0;
  __syncthreads();
  for (int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += blockDim.x) {
    const int digit = digit_of(s.values[i], selected, shift);
    if (digit >= 0) atomicAdd(&counts[digit], 1u);
  }
  __syncthreads();
  uint32_t* total = s.counts + int64_t{chunk.segment} * kDigits;
  for (int i = threadIdx.x; i < kDigits; i += blockDim.x)
    if (counts[i] != 0) atomicAdd(&total[i], counts[i]);
}

__global__ void choose_kernel(Selected* selected, uint32_t* all_counts) {
  __shared__ uint32_t counts[kDigits];
  uint32_t* own = all_counts + int64_t{blockIdx.x} * kDigits;
  for (int i = threadIdx.x; i < kDigits; i += blockDim.x) counts[i] = own[i], own[i] = 0;
  __syncthreads();
  if (threadIdx.x == 0) select_digit(selected[blockIdx.x], counts);
}

template <class T>
__global__ void zero_kernel(Zeroing<T> z) {
  const Chunk chunk = z.chunks[blockIdx.x];
  const uint64_t most = z.selected[chunk.segment].prefix;
  for (int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += blockDim.x)
    if (magnitude_bits(z.scores[i]) <= most) z.values[i] = T(0);
}

template <class T>
void select_on(const Selection<T>& s, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  for (int digit = kDigitCount<T> - 1; digit >= 0; --digit) {
    count_kernel<T><<<static_cast<unsigned>(s.chunk_count), kThreads, 0, queue>>>(s, digit * kDigitBits);
    choose_kernel<<<static_cast<unsigned>(s.segments), kThreads, 0, queue>>>(s.selected, s.counts);
  }
}

template <class T>
void zero_on(const Zeroing<T>& z, void* stream) {
  zero_kernel<T><<<static_cast<unsigned>(z.chunk_count), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(z);
}

}  // namespace

void select_cuda(const Selection<float>& s, void* stream) { select_on(s, stream); }
void select_cuda(const Selection<double>& s, void* stream) { select_on(s, stream); }
void zero_cuda(const Zeroing<float>& z, void* stream) { zero_on(z, stream); }
void zero_cuda(const Zeroing<double>& z, void* stream) { zero_on(z, stream); }

}  // namespace coppice
