// Inference of a pruned network: the fastest of several programs, chosen by measuring.
#pragma once
#include <vector>

#include "sparse/lanes.h"

namespace coppice::sparse {

struct CompileOptions {
  int64_t batch = 1;
  /// The least precise arithmetic that may be used: fp32, bf16 or fp16.
  Arithmetic type = Arithmetic::kFp32;
  int threads = 1;
  /// Which programs compete.
  bool dense = true, sparse = true;
  bool exact = false;  ///< dense programs only in `type` itself, not in more precise ones
  /// Other kernels than this CPU's best are for checks; slow arithmetic competes then too.
  Instructions instructions = Instructions::kBest;
  /// Checks, only this program: on the CPU `pixels fp32` or `images TYPE`, on CUDA a version of the kernels
  /// (see sparse/cuda/launch.h), imitated on the CPU if asked.
  std::string kernel;
  bool imitate = false;
};

/// A program that competed.
struct Candidate {
  std::string name;
  double seconds;  ///< for one batch, median
  bool chosen;
};

class SparseEngine {
 public:
  /// Throws std::invalid_argument for a network that is not in fp32, or where no program is left to compete.
  SparseEngine(const Network& network, const CompileOptions& options, Tuning& tuning,
               const Interrupt& interrupt);

  /// Logits [n, classes] of images [n, channels, height, width] in fp32, for any n; fastest for whole
  /// batches. They lie where the images lie: on the engine's device, or on the CPU, from where images are
  /// copied.
  at::Tensor run(const at::Tensor& images);
  /// Seconds of `runs` batches, after `warmup` more; with `flush` the caches are emptied before each. Images
  /// and logits are on the engine's device.
  std::vector<double> time(const at::Tensor& images, int64_t warmup, int64_t runs, bool flush,
                           const Interrupt& interrupt);
  std::vector<StageReport> profile(const at::Tensor& images);

  const std::vector<Candidate>& candidates() const { return candidates_; }
  const CompileOptions& options() const { return options_; }
  at::Device device() const { return device_; }
  const std::array<int64_t, 3>& input() const { return input_; }
  int64_t classes() const { return classes_; }
  int64_t bytes() const;
  double seconds_to_compile() const { return seconds_; }

 private:
  /// One after another: programs and how many images of a batch each takes.
  struct Plan {
    std::string name;
    std::vector<std::pair<std::shared_ptr<Program>, int64_t>> parts;
  };
  std::vector<Plan> plans(const Network& network, Tuning& tuning, const Interrupt& interrupt) const;
  void choose(std::vector<Plan> plans, const Interrupt& interrupt);
  void run(const Plan& plan, const float* images, int64_t n, float* logits) const;

  CompileOptions options_;
  at::Device device_;
  std::array<int64_t, 3> input_;
  int64_t classes_;
  Plan plan_;
  std::vector<Candidate> candidates_;
  double seconds_ = 0;
};

/// Multiply-adds a second that one thread does at best in an arithmetic, operands in registers.
double peak_macs(Arithmetic arithmetic);

}  // namespace coppice::sparse
