// Launching one CUDA thread per element with a grid-stride loop.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace coppice {

template <class Body>
__global__ void for_each_kernel(int64_t count, Body body) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < count;
       i += int64_t{gridDim.x} * blockDim.x)
    body(i);
}

/// Calls body(i) for every i below `count`; `body` is a value type with a __device__ operator().
template <class Body>
void for_each(int64_t count, void* stream, Body body) {
  if (count == 0) return;
  constexpr int kThreads = 256;
  const int64_t blocks = (count + kThreads - 1) / kThreads;
  for_each_kernel<<<static_cast<unsigned>(blocks < 65535 ? blocks : 65535), kThreads, 0,
                    static_cast<cudaStream_t>(stream)>>>(count, body);
}

}  // namespace coppice
