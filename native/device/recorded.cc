#include "device/recorded.h"

#ifdef COPPICE_WITH_CUDA
#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <mutex>
#include <optional>
#endif

namespace coppice {

#ifdef COPPICE_WITH_CUDA

namespace {

/// Runs before work is recorded, in which algorithms are chosen and workspaces allocated.
constexpr int kWarmUps = 3;

enum class Outcome { kDone, kFailed, kOutOfMemory };

template <class Body>
Outcome attempt(Body body) {
  try {
    body();
    return Outcome::kDone;
  } catch (const c10::OutOfMemoryError&) {
    return Outcome::kOutOfMemory;
  } catch (const std::exception&) {
    return Outcome::kFailed;
  }
}

/// While one lives, cuDNN measures its algorithms. The setting is the process's, threads share it: what it
/// does to another's work is that its algorithms are measured, or are not.
class Measuring {
 public:
  Measuring() { count(1); }
  ~Measuring() { count(-1); }
  Measuring(const Measuring&) = delete;
  Measuring& operator=(const Measuring&) = delete;

 private:
  static void count(int more) {
    static std::mutex mutex;
    static int measuring = 0;
    const std::lock_guard lock(mutex);
    measuring += more;
    at::Context& context = at::globalContext();
    context.setBenchmarkCuDNN(measuring > 0 && !context.deterministicCuDNN());
  }
};

}  // namespace

struct Recorded::Graph {
  std::optional<at::cuda::CUDAGraph> graph;

  Graph() = default;
  ~Graph() { forget(); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// Records without running. Some algorithms of cuDNN cannot be recorded.
  void record(at::Device device, bool shared, const std::function<void()>& work) {
    if (try_to_record(device, work) != Outcome::kOutOfMemory) return;
    // A recording has memory of its own; what the runs before it have left may be what is missing. Giving it
    // back waits for all devices, of which one may wait for this work.
    if (shared) return;
    c10::cuda::CUDACachingAllocator::emptyCache();
    try_to_record(device, work);
  }

 private:
  Outcome try_to_record(at::Device device, const std::function<void()>& work) {
    namespace allocator = c10::cuda::CUDACachingAllocator;
    pool_ = at::cuda::graph_pool_handle();
    graph.emplace();
    const Outcome begun = attempt([&] { graph->capture_begin(pool_, cudaStreamCaptureModeThreadLocal); });
    if (begun != Outcome::kDone) return forget(), begun;
    const Outcome ran = attempt(work);
    // Also after a failure: the stream must not stay in capture mode.
    const Outcome ended = attempt([&] { graph->capture_end(); });
    if (ran == Outcome::kDone && ended == Outcome::kDone) return ran;
    if (ended != Outcome::kDone) {
      // The graph has not told the allocator that it is done with its pool.
      attempt([&] { allocator::endAllocateToPool(device.index(), pool_); });
      attempt([&] { allocator::releasePool(device.index(), pool_); });
    }
    forget();
    static_cast<void>(cudaGetLastError());  // a failed capture leaves its error behind
    return ran != Outcome::kDone ? ran : ended;
  }

  /// The allocator keeps the memory of a recording that is gone for nobody, until it is told or has no other.
  void forget() {
    if (!graph) return;
    graph.reset();
    attempt([&] { c10::cuda::CUDACachingAllocator::emptyCache(pool_); });
  }

  at::cuda::MempoolId_t pool_{};
};

bool Recorded::recorded() const { return !device_.is_cuda() || graph_; }

void Recorded::run(const std::function<void()>& work) {
  if (!recorded()) {
    const Measuring measuring;
    if (runs_++ < kWarmUps) return work();
    graph_ = std::make_unique<Graph>();
    graph_->record(device_, shared_, work);
  }
  if (replays())
    graph_->graph->replay();
  else
    work();
}

void Recorded::prepare(const std::function<void()>& work) {
  while (!recorded()) run(work);
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
  if (stream_) attempt([&] { stream_->stream.synchronize(); });
}

#else

struct Recorded::Graph {};
struct RecordingStream::Stream {};

void Recorded::run(const std::function<void()>& work) { work(); }
void Recorded::prepare(const std::function<void()>&) {}
bool Recorded::replays() const { return false; }
RecordingStream::RecordingStream(at::Device) {}
RecordingStream::~RecordingStream() = default;

#endif

Recorded::Recorded(at::Device device, bool shared) : device_(device), shared_(shared) {}
Recorded::~Recorded() = default;
Recorded::Recorded(Recorded&&) noexcept = default;

}  // namespace coppice
