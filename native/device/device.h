// What differs between the CPU and a CUDA device: kernel dispatch, memory figures, settings of a thread.
#pragma once
#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "device/allocator.h"

/// Its argument where Coppice's CUDA kernels are compiled in, nothing elsewhere (on_device then never gets
/// there).
#ifdef COPPICE_WITH_CUDA
#define COPPICE_CUDA_ONLY(statement) statement
#else
#define COPPICE_CUDA_ONLY(statement) static_cast<void>(stream)
#endif

namespace coppice {

/// Whether Coppice's own CUDA kernels were compiled in.
bool has_cuda_kernels();

struct DeviceName {
  std::string device, name;
  int64_t memory;
};
/// The CUDA devices that libtorch sees; empty without CUDA.
std::vector<DeviceName> cuda_devices();

/// Parses `cpu`, `cuda` or `cuda:1` and makes sure that the device can be used.
/// Throws std::invalid_argument for a wrong name, DeviceError for a device that isn't there.
at::Device usable_device(const std::string& name);

struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

MemoryInfo memory(at::Device device);
/// Bytes that work may take which can be done in pieces of any size: 512 MiB on the CPU, a quarter of the
/// memory of a CUDA device. Does not depend on what else is there, so that pieces are the same every time.
int64_t memory_budget(at::Device device);
void reset_peak_memory(at::Device device);
void empty_cache();

/// The current CUDA stream of the device, as a cudaStream_t.
void* current_stream(at::Device device);

/// Throws libtorch's error for a kernel that could not be launched.
void check_launch();

/// Settings a thread needs before it works for a device: threads, denormals flushed to zero, TF32 off, the
/// device; backward passes run on the thread that asks for them, on CUDA too.
void prepare_thread(at::Device device, int threads);
/// Deterministic algorithms on CUDA (slower), for the whole process; the CPU always is deterministic for a
/// given number of threads.
void set_deterministic(bool deterministic);

/// Runs `cpu()` or `cuda(stream)`.
template <class Cpu, class Cuda>
void on_device(at::Device device, Cpu&& cpu, Cuda&& cuda) {
  if (device.is_cuda()) {
    cuda(current_stream(device));
    check_launch();
  } else {
    cpu();
  }
}

}  // namespace coppice
