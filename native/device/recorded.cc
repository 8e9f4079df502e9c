#include "device/recorded.h"

#ifdef COPPICE_WITH_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <optional>
#endif

namespace coppice {

#ifdef COPPICE_WITH_CUDA

namespace {

/// Runs before work is recorded, in which algorithms are chosen and workspaces allocated.
constexpr int kWarmUps = 3;

template <class Body>
bool succeeds(Body body) {
  try {
    body();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

struct Recorded::Graph {
  std::optional<at::cuda::CUDAGraph> graph;

  /// Records without running. Some algorithms of cuDNN cannot be recorded.
  void record(at::Device device, const std::function<void()>& work) {
    namespace allocator = c10::cuda::CUDACachingAllocator;
    const at::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
    graph.emplace();
    graph->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    const bool ran = succeeds(work);
    // Also after a failure: the stream must not stay in capture mode.
    const bool ended = succeeds([&] { graph->capture_end(); });
    if (ran && ended) return;
    if (!ended) {
      // The graph has not told the allocator that it is done with its pool.
      succeeds([&] { allocator::endAllocateToPool(device.index(), pool); });
      succeeds([&] { allocator::releasePool(device.index(), pool); });
    }
    graph.reset();
    static_cast<void>(cudaGetLastError());  // a failed capture leaves its error behind
  }
};

void Recorded::run(const std::function<void()>& work) {
  if (!device_.is_cuda() || runs_ < kWarmUps) {
    ++runs_;
    return work();
  }
  if (!graph_) {
    graph_ = std::make_unique<Graph>();
    graph_->record(device_, work);
  }
  if (graph_->graph)
    graph_->graph->replay();
  else
    work();
}

bool Recorded::replays() const { return graph_ && graph_->graph; }

struct RecordingStream::Stream {
  explicit Stream(at::Device device)
      : stream(c10::cuda::getStreamFromPool(false, device.index())), guard(stream) {}
  c10::cuda::CUDAStream stream;
  c10::cuda::CUDAStreamGuard guard;
};

RecordingStream::RecordingStream(at::Device device) {
  if (!device.is_cuda()) return;
  c10::cuda::device_synchronize();
  stream_ = std::make_unique<Stream>(device);
}

RecordingStream::~RecordingStream() {
  // After a device error waiting fails too.
  if (stream_) succeeds([&] { stream_->stream.synchronize(); });
}

#else

struct Recorded::Graph {};
struct RecordingStream::Stream {};

void Recorded::run(const std::function<void()>& work) { work(); }
bool Recorded::replays() const { return false; }
RecordingStream::RecordingStream(at::Device) {}
RecordingStream::~RecordingStream() = default;

#endif

Recorded::Recorded(at::Device device) : device_(device) {}
Recorded::~Recorded() = default;
Recorded::Recorded(Recorded&&) noexcept = default;

}  // namespace coppice
