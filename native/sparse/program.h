// A way to run a network's stages for inference, and what the engine knows of it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/interrupt.h"
#include "sparse/stages.h"

namespace coppice::sparse {

/// Of one stage: what computes it, and how long that took when it was last measured.
struct StageReport {
  std::string name, node, kernel;
  double seconds = 0;
  /// Multiply-adds of a dense network for one image, those that are left, and those that the kernel does.
  int64_t dense_macs = 0, macs = 0, done_macs = 0;
  int64_t images = 0;  ///< that were measured
};

class Program {
 public:
  virtual ~Program() = default;
  /// `images`: floats [n, channels, height, width]; `logits`: [n, classes]. Both lie in the memory of the
  /// device that the program was made for. On CUDA the work is queued on the current stream, in order with
  /// what uses them there.
  virtual void run(const float* images, int64_t n, float* logits) = 0;
  /// Runs once and measures every stage.
  virtual std::vector<StageReport> profile(const float* images, int64_t n) = 0;
  virtual std::string name() const = 0;
  virtual int64_t bytes() const = 0;
};

/// How stages were packed earlier: stage key → choice. Read and written by tuning.
using Tuning = std::map<std::string, std::string>;

}  // namespace coppice::sparse
