#include "sparse/cuda/programs.h"

#include "sparse/cuda/captured.h"
#include "sparse/cuda/planar.h"
#include "sparse/dense.h"

namespace coppice::sparse::cuda {
namespace {

/// Below this so few of a block's images are real that dense convolutions always win.
constexpr int64_t kLeastBatch = 16;

std::optional<Version> version_of(const CompileOptions& options) {
  if (options.kernel.empty()) return {};
  Version version;
  if (!Version::parse(options.kernel, version))
    throw std::invalid_argument("kernel '" + options.kernel +
                                "' is none of reference, simple o32, jobs p4, mma o32 p4 i64, …");
  return version;
}

}  // namespace

std::vector<std::shared_ptr<Program>> programs(std::shared_ptr<const Stages> stages, at::Device device,
                                               const CompileOptions& options, const at::Tensor& images,
                                               Tuning& tuning, const Interrupt& interrupt) {
  std::vector<std::shared_ptr<Program>> found;
  const auto add = [&](std::unique_ptr<Program> program) {
    interrupt.check();
#ifdef COPPICE_WITH_CUDA
    if (device.is_cuda())
      program = captured(std::move(program), device, options.batch, stages->values.front(),
                         stages->values[stages->stages.back().output].channels);
#endif
    found.push_back(std::move(program));
  };
  if (options.dense && device.is_cuda()) {
    const auto dense = [&](at::ScalarType type, bool tf32) {
      const bool exact = type == at::kFloat      ? options.type == Arithmetic::kFp32 && !tf32
                         : type == at::kBFloat16 ? options.type == Arithmetic::kBf16
                                                 : options.type == Arithmetic::kFp16;
      if (options.exact && !exact) return;
      add(dense_program(stages, {type, false, options.threads, options.batch, device, tf32}));
    };
    dense(at::kFloat, false);
    // TF32 keeps ten bits of fp32's 23: as many as fp16, more than bf16.
    if (options.type != Arithmetic::kFp32) dense(at::kFloat, true);
    if (options.type == Arithmetic::kFp16) dense(at::kHalf, false);
    if (options.type != Arithmetic::kFp32) dense(at::kBFloat16, false);
  }
  const std::optional<Version> version = version_of(options);
  if (!options.sparse || (options.batch < kLeastBatch && !version)) return found;
  for (const bool bf16 : {false, true}) {
    // A version that is asked for runs in the type that is asked for.
    if (bf16 ? options.type != Arithmetic::kBf16 : version && options.type == Arithmetic::kBf16) continue;
    add(planar(*stages, {device, bf16, options.batch, version}, images.const_data_ptr<float>(), tuning,
               interrupt));
  }
  return found;
}

}  // namespace coppice::sparse::cuda
