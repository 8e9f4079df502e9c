#include "device/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/AutogradState.h>
#include <c10/core/DeviceGuard.h>
#include <omp.h>
#include <xmmintrin.h>

#include <algorithm>

#ifdef COPPICE_WITH_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace coppice {

bool has_cuda_kernels() {
#ifdef COPPICE_WITH_CUDA
  return true;
#else
  return false;
#endif
}

std::vector<DeviceName> cuda_devices() {
  std::vector<DeviceName> devices;
#ifdef COPPICE_WITH_CUDA
  if (!at::hasCUDA()) return devices;
  for (int i = 0; i < c10::cuda::device_count(); ++i) {
    const cudaDeviceProp* properties = at::cuda::getDeviceProperties(i);
    devices.push_back(
        {"cuda:" + std::to_string(i), properties->name, static_cast<int64_t>(properties->totalGlobalMem)});
  }
#endif
  return devices;
}

at::Device usable_device(const std::string& name) {
  const bool cuda = name == "cuda" || name.rfind("cuda:", 0) == 0;
  if (name != "cpu" && !cuda)
    throw std::invalid_argument("device '" + name + "' is none of cpu, cuda, cuda:0, cuda:1, …");
  if (!cuda) return at::Device(at::kCPU);
  int64_t index = 0;
  if (name != "cuda") {
    const std::string digits = name.substr(5);
    if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos)
      throw std::invalid_argument("device '" + name + "' has no valid number");
    index = std::stoll(digits);
  }
  if (!at::hasCUDA())
    throw DeviceError("device '" + name +
                      "' is not there: this libtorch sees no CUDA device (see `coppice doctor`)");
  if (!has_cuda_kernels())
    throw DeviceError("device '" + name +
                      "' cannot be used: Coppice was built without its CUDA kernels; install nvcc and run "
                      "`npm run build:native`");
  const auto devices = cuda_devices();
  if (index >= static_cast<int64_t>(devices.size()))
    throw DeviceError("device '" + name + "' is not there: this machine has " +
                      std::to_string(devices.size()) + " CUDA device(s)");
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

MemoryInfo memory(at::Device device) {
  if (device.is_cpu()) return host_memory();
  MemoryInfo info;
#ifdef COPPICE_WITH_CUDA
  at::globalContext().lazyInitDevice(at::kCUDA);  // the allocator knows no device before
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  const auto& allocated = stats.allocated_bytes[0];
  size_t free = 0, total = 0;
  const c10::cuda::CUDAGuard guard(device);
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  info = {allocated.current, allocated.peak, stats.reserved_bytes[0].current, static_cast<int64_t>(total),
          static_cast<int64_t>(free)};
#endif
  return info;
}

int64_t memory_budget([[maybe_unused]] at::Device device) {
  int64_t budget = int64_t{512} << 20;
#ifdef COPPICE_WITH_CUDA
  if (device.is_cuda())
    budget = std::max(
        budget, static_cast<int64_t>(at::cuda::getDeviceProperties(device.index())->totalGlobalMem / 4));
#endif
  return budget;
}

void reset_peak_memory(at::Device device) {
  if (device.is_cpu()) return reset_host_peak();
#ifdef COPPICE_WITH_CUDA
  at::globalContext().lazyInitDevice(at::kCUDA);
  c10::cuda::CUDACachingAllocator::resetPeakStats(device.index());
#endif
}

void empty_cache() {
  empty_host_cache();
#ifdef COPPICE_WITH_CUDA
  if (at::hasCUDA()) c10::cuda::CUDACachingAllocator::emptyCache();
#endif
}

void* current_stream([[maybe_unused]] at::Device device) {
#ifdef COPPICE_WITH_CUDA
  return c10::cuda::getCurrentCUDAStream(device.index()).stream();
#else
  throw DeviceError("Coppice was built without its CUDA kernels");
#endif
}

void check_launch() {
#ifdef COPPICE_WITH_CUDA
  C10_CUDA_KERNEL_LAUNCH_CHECK();
#endif
}

void prepare_thread(at::Device device, int threads) {
  at::set_num_threads(threads);
  // Denormal numbers run up to a hundred times slower on some CPUs, and pruned networks make many of them.
#pragma omp parallel num_threads(threads)
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
  at::globalContext().setAllowTF32CuDNN(false);
  // Autograd's own threads, one for each GPU, would be a hop away at every pass, choose cuDNN's algorithms
  // anew, and have to be stopped when the process ends.
  c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
  if (device.is_cuda()) {
#ifdef COPPICE_WITH_CUDA
    c10::cuda::set_device(device.index());
#endif
  }
}

void set_deterministic(bool deterministic) {
  if (!at::hasCUDA()) return;
  at::Context& context = at::globalContext();
  context.setDeterministicCuDNN(deterministic);
  // What is added up in any order (scatter_add) is sorted before.
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/true);
  context.setDeterministicFillUninitializedMemory(false);
}

}  // namespace coppice
