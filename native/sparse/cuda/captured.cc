#include "sparse/cuda/captured.h"

#ifdef COPPICE_WITH_CUDA
#include "device/recorded.h"

namespace coppice::sparse::cuda {
namespace {

class Captured final : public Program {
 public:
  Captured(std::unique_ptr<Program> program, at::Device device, int64_t batch, const Value& input,
           int64_t classes)
      : program_(std::move(program)), device_(device), batch_(batch), recorded_(device) {
    const auto floats = at::TensorOptions().dtype(at::kFloat).device(device);
    images_ = at::zeros({batch, input.channels, input.height, input.width}, floats);
    logits_ = at::zeros({batch, classes}, floats);
    const RecordingStream stream(device);
    recorded_.prepare([this] { run_batch(); });
  }

  /// Batches that are at least half full are filled up and replayed; smaller ones run kernel by kernel.
  void run(const float* images, int64_t n, float* logits) override {
    if (!recorded_.replays() || n > batch_ || 2 * n < batch_) return program_->run(images, n, logits);
    images_.narrow(0, 0, n).copy_(view(images, images_.narrow(0, 0, n)));
    if (n < batch_) images_.narrow(0, n, batch_ - n).zero_();
    recorded_.run([this] { run_batch(); });
    view(logits, logits_.narrow(0, 0, n)).copy_(logits_.narrow(0, 0, n));
  }

  std::vector<StageReport> profile(const float* images, int64_t n) override {
    return program_->profile(images, n);
  }
  std::string name() const override { return program_->name() + (recorded_.replays() ? ", CUDA graph" : ""); }
  int64_t bytes() const override {
    return program_->bytes() + static_cast<int64_t>(images_.nbytes() + logits_.nbytes());
  }

 private:
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
  at::Tensor images_, logits_;
  Recorded recorded_;
};

}  // namespace

std::unique_ptr<Program> captured(std::unique_ptr<Program> program, at::Device device, int64_t batch,
                                  const Value& input, int64_t classes) {
  return std::make_unique<Captured>(std::move(program), device, batch, input, classes);
}

}  // namespace coppice::sparse::cuda
#endif
