#include "device/stopwatch.h"

#include "device/device.h"

#ifdef COPPICE_WITH_CUDA
#include <ATen/cuda/CUDAEvent.h>
#endif

namespace coppice {

#ifdef COPPICE_WITH_CUDA
struct Stopwatch::Events {
  explicit Events(at::Device device) : device(device) {}
  const at::Device device;
  at::cuda::CUDAEvent before{cudaEventDefault}, after{cudaEventDefault};
};
#else
struct Stopwatch::Events {};
#endif

Stopwatch::Stopwatch([[maybe_unused]] at::Device device) {
#ifdef COPPICE_WITH_CUDA
  if (device.is_cuda()) events_ = std::make_unique<Events>(device);
#endif
}
Stopwatch::~Stopwatch() = default;

void Stopwatch::start() {
#ifdef COPPICE_WITH_CUDA
  if (events_) return events_->before.record(c10::cuda::getCurrentCUDAStream(events_->device.index()));
#endif
  start_ = std::chrono::steady_clock::now();
}

double Stopwatch::seconds() {
#ifdef COPPICE_WITH_CUDA
  if (events_) {
    events_->after.record(c10::cuda::getCurrentCUDAStream(events_->device.index()));
    events_->after.synchronize();
    return 1e-3 * events_->before.elapsed_time(events_->after);
  }
#endif
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

}  // namespace coppice
