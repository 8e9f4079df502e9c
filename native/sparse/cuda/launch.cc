#include "sparse/cuda/launch.h"

#include <cstdio>

#include "sparse/cuda/dispatch.h"
#include "sparse/cuda/emulator.h"

namespace coppice::sparse::cuda {
namespace {

template <class T>
bool imitate(const Version& version, const Work<T>& work) {
  return dispatch(version, work, /*most_blocks=*/2, [](Grid grid, const auto& body) {
    emulate(grid.x, grid.y, grid.z, body.kThreads, body.kShared,
            [&](EmulatedThread& thread) { body(thread); });
  });
}

}  // namespace

std::string Version::text() const {
  char text[64];
  switch (kernel) {
    case Kernel::kSimple:
      std::snprintf(text, sizeof text, "simple o%d", outputs);
      return text;
    case Kernel::kJobs:
      std::snprintf(text, sizeof text, "jobs p%d", positions);
      return text;
    case Kernel::kMma:
      std::snprintf(text, sizeof text, "mma o%d p%d i%d", outputs, positions, images);
      return text;
    default:
      return "reference";
  }
}

bool Version::parse(const std::string& text, Version& version) {
  Version read;
  if (std::sscanf(text.c_str(), "mma o%d p%d i%d", &read.outputs, &read.positions, &read.images) == 3)
    read.kernel = Kernel::kMma;
  else if (std::sscanf(text.c_str(), "jobs p%d", &read.positions) == 1)
    read.kernel = Kernel::kJobs;
  else if (std::sscanf(text.c_str(), "simple o%d", &read.outputs) == 1)
    read.kernel = Kernel::kSimple;
  if (read.text() != text || read.outputs < 1 || read.outputs > 1024) return false;
  version = read;
  return true;
}

bool run_emulated(const Version& version, const Work<float>& work) { return imitate(version, work); }
bool run_emulated(const Version& version, const Work<Bf16>& work) { return imitate(version, work); }

}  // namespace coppice::sparse::cuda
