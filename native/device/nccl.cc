#include "device/nccl.h"

#include <dlfcn.h>

#include <set>

#include "device/device.h"

namespace coppice {
namespace {

// From nccl.h, whose values are part of NCCL's binary interface.
constexpr int kSuccess = 0, kSum = 0, kFloat32 = 7, kFloat64 = 8;

}  // namespace

struct Nccl::Library {
  int (*init_all)(void** communicators, int count, const int* devices);
  int (*all_reduce)(const void* from, void* to, size_t count, int type, int operation, void* communicator,
                    void* stream);
  int (*abort)(void* communicator);
  int (*destroy)(void* communicator);
  const char* (*error)(int result);

  static const Library& get() {
    static const Library library = load();
    return library;
  }

  void check(int result, const char* what) const {
    if (result != kSuccess) throw DeviceError(std::string(what) + ": NCCL says \"" + error(result) + "\"");
  }

 private:
  static Library load() {
    // A CUDA build of libtorch has mapped it already.
    void* handle = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!handle)
      throw DeviceError(
          "training on several GPUs needs NCCL (libnccl.so.2), which comes with libtorch's CUDA wheels: " +
          std::string(dlerror()));
    const auto find = [&](auto& function, const char* name) {
      void* found = dlsym(handle, name);
      if (!found) throw DeviceError("NCCL has no " + std::string(name));
      function = reinterpret_cast<std::decay_t<decltype(function)>>(found);
    };
    Library library{};
    find(library.init_all, "ncclCommInitAll");
    find(library.all_reduce, "ncclAllReduce");
    find(library.abort, "ncclCommAbort");
    find(library.destroy, "ncclCommDestroy");
    find(library.error, "ncclGetErrorString");
    return library;
  }
};

Nccl::Nccl(const std::vector<at::Device>& devices)
    : library_(Library::get()), devices_(devices), communicators_(devices.size()) {
  std::vector<int> indices;
  for (const at::Device& device : devices) {
    if (!device.is_cuda()) throw DeviceError("several devices are either all CPU or all CUDA");
    indices.push_back(device.index());
  }
  if (std::set<int>(indices.begin(), indices.end()).size() != indices.size())
    throw DeviceError("each CUDA device may be named once");
  library_.check(library_.init_all(communicators_.data(), static_cast<int>(indices.size()), indices.data()),
                 "the devices could not be joined");
}

Nccl::~Nccl() {
  for (void* communicator : communicators_) {
    if (aborted_ || !communicator) continue;
    library_.destroy(communicator);
  }
}

void Nccl::sum(int rank, const at::Tensor& values) {
  const int type = values.scalar_type() == at::kDouble ? kFloat64 : kFloat32;
  void* data = values.data_ptr();
  library_.check(library_.all_reduce(data, data, static_cast<size_t>(values.numel()), type, kSum,
                                     communicators_[rank], current_stream(devices_[rank])),
                 "a sum over devices failed");
}

void Nccl::abort() noexcept {
  if (aborted_.exchange(true)) return;
  for (void* communicator : communicators_)
    if (communicator) library_.abort(communicator);
}

}  // namespace coppice
