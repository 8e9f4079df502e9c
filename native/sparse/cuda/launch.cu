// The kernels on CUDA: every body of bodies.h and mma.h as a __global__ function.
#include <cuda_runtime.h>

#include "sparse/cuda/dispatch.h"
#include "sparse/cuda/thread.cuh"

namespace coppice::sparse::cuda {
namespace {

template <class Body>
__global__ void __launch_bounds__(Body::kThreads) kernel(const __grid_constant__ Body body) {
  extern __shared__ __align__(16) char memory[];
  DeviceThread thread{memory};
  body(thread);
}

struct Launch {
  cudaStream_t stream;
  template <class Body>
  void operator()(Grid grid, const Body& body) const {
    // More shared memory than any device grants unasked. What fails here fails the launch, which the caller
    // checks.
    if (Body::kShared > 48 * 1024)
      cudaFuncSetAttribute(kernel<Body>, cudaFuncAttributeMaxDynamicSharedMemorySize, Body::kShared);
    kernel<Body><<<dim3(grid.x, grid.y, grid.z), Body::kThreads, Body::kShared, stream>>>(body);
  }
};

template <class T>
bool queue(const Version& version, const Work<T>& work, void* stream) {
  return dispatch(version, work, /*most_blocks=*/1 << 20, Launch{static_cast<cudaStream_t>(stream)});
}

}  // namespace

bool run_cuda(const Version& version, const Work<float>& work, void* stream) {
  return queue(version, work, stream);
}
bool run_cuda(const Version& version, const Work<Bf16>& work, void* stream) {
  return queue(version, work, stream);
}

}  // namespace coppice::sparse::cuda
