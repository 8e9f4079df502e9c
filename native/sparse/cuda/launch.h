// Versions of kernels and how they are run: on a device, or imitated on the CPU for checks. No libtorch here,
// nvcc reads this too.
#pragma once
#include <string>

#include "sparse/cuda/work.h"

namespace coppice::sparse::cuda {

enum class Kernel { kLoad, kStore, kLift, kPool, kReshape, kReference, kSimple, kJobs, kMma };

/// How a stage is computed. The ladder for columns that outputs share is reference → simple → mma; jobs are
/// for single weights.
struct Version {
  Kernel kernel = Kernel::kReference;
  int outputs = 32;      ///< of a group: simple and mma
  int positions = 1;     ///< computed together: jobs and mma
  int images = kImages;  ///< of a block: mma
  std::string text() const;
  /// Reads `reference`, `simple o32`, `jobs p4` or `mma o64 p4 i64`; false for any other text.
  static bool parse(const std::string& text, Version& version);
};

/// Queues it on a stream. False where no such version was compiled, or the work does not suit it.
bool run_cuda(const Version& version, const Work<float>& work, void* stream);
bool run_cuda(const Version& version, const Work<Bf16>& work, void* stream);

/// The same on the CPU, thread by thread (see emulator.h).
bool run_emulated(const Version& version, const Work<float>& work);
bool run_emulated(const Version& version, const Work<Bf16>& work);

}  // namespace coppice::sparse::cuda
