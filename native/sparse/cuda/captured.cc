#include "sparse/cuda/captured.h"

#ifdef COPPICE_WITH_CUDA
#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <optional>

namespace coppice::sparse::cuda {
namespace {

/// cuDNN measures its algorithms, and TF32 is on or off, while it lives.
class Settings {
 public:
  explicit Settings(bool tf32)
      : benchmark_(context().benchmarkCuDNN()),
        cudnn_(context().allowTF32CuDNN()),
        cublas_(context().allowTF32CuBLAS()) {
    set(true, tf32, tf32);
  }
  ~Settings() { set(benchmark_, cudnn_, cublas_); }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

 private:
  static at::Context& context() { return at::globalContext(); }
  static void set(bool benchmark, bool cudnn, bool cublas) {
    context().setBenchmarkCuDNN(benchmark);
    context().setAllowTF32CuDNN(cudnn);
    context().setAllowTF32CuBLAS(cublas);
  }
  const bool benchmark_, cudnn_, cublas_;
};

class Captured final : public Program {
 public:
  Captured(std::unique_ptr<Program> program, at::Device device, int64_t batch, const Value& input,
           int64_t classes, bool tf32)
      : program_(std::move(program)), device_(device), batch_(batch), tf32_(tf32) {
    const auto floats = at::TensorOptions().dtype(at::kFloat).device(device);
    images_ = at::zeros({batch, input.channels, input.height, input.width}, floats);
    logits_ = at::zeros({batch, classes}, floats);
    // A graph is captured on a stream of its own, after the buffers are there and everything has run once:
    // algorithms are chosen and workspaces allocated then.
    c10::cuda::device_synchronize();
    const c10::cuda::CUDAStream side = c10::cuda::getStreamFromPool(false, device.index());
    const c10::cuda::CUDAStreamGuard guard(side);
    const Settings settings(tf32);
    for (int repeat = 0; repeat < 3; ++repeat) run_batch();
    side.synchronize();
    capture();
    side.synchronize();
  }

  /// Batches that are at least half full are filled up and replayed; smaller ones run kernel by kernel.
  void run(const float* images, int64_t n, float* logits) override {
    if (!graph_ || n > batch_ || 2 * n < batch_) {
      const Settings settings(tf32_);
      program_->run(images, n, logits);
      return;
    }
    images_.narrow(0, 0, n).copy_(view(images, images_.narrow(0, 0, n)));
    if (n < batch_) images_.narrow(0, n, batch_ - n).zero_();
    graph_->replay();
    view(logits, logits_.narrow(0, 0, n)).copy_(logits_.narrow(0, 0, n));
  }

  std::vector<StageReport> profile(const float* images, int64_t n) override {
    const Settings settings(tf32_);
    return program_->profile(images, n);
  }
  std::string name() const override {
    return program_->name() + (tf32_ ? ", TF32" : "") + (graph_ ? ", CUDA graph" : "");
  }
  int64_t bytes() const override {
    return program_->bytes() + static_cast<int64_t>(images_.nbytes() + logits_.nbytes());
  }

 private:
  /// A program that cannot be captured, as some algorithms of cuDNN cannot, runs kernel by kernel.
  void capture() {
    namespace allocator = c10::cuda::CUDACachingAllocator;
    const at::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
    graph_.emplace();
    graph_->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    const bool ran = succeeds([&] { run_batch(); });
    // Also after a failure: the stream must not stay in capture mode.
    const bool ended = succeeds([&] { graph_->capture_end(); });
    if (ran && ended) return;
    if (!ended) {
      // The graph has not told the allocator that it is done with its pool.
      succeeds([&] { allocator::endAllocateToPool(device_.index(), pool); });
      succeeds([&] { allocator::releasePool(device_.index(), pool); });
    }
    graph_.reset();
    static_cast<void>(cudaGetLastError());  // a failed capture leaves its error behind
  }

  template <class Body>
  static bool succeeds(Body body) {
    try {
      body();
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  void run_batch() {
    program_->run(images_.const_data_ptr<float>(), batch_, logits_.mutable_data_ptr<float>());
  }

  /// Somebody's floats on the device, shaped like `like`.
  at::Tensor view(const float* floats, const at::Tensor& like) const {
    return at::for_blob(const_cast<float*>(floats), like.sizes())
        .options(like.options())
        .target_device(device_)
        .make_tensor();
  }

  const std::unique_ptr<Program> program_;
  const at::Device device_;
  const int64_t batch_;
  const bool tf32_;
  at::Tensor images_, logits_;
  std::optional<at::cuda::CUDAGraph> graph_;
};

}  // namespace

std::unique_ptr<Program> captured(std::unique_ptr<Program> program, at::Device device, int64_t batch,
                                  const Value& input, int64_t classes, bool tf32) {
  return std::make_unique<Captured>(std::move(program), device, batch, input, classes, tf32);
}

}  // namespace coppice::sparse::cuda
#endif
