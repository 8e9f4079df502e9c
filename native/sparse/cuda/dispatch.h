// Which kernel and grid a version is.
#pragma once
#include <type_traits>

#include "sparse/cuda/launch.h"
#include "sparse/cuda/mma.h"

namespace coppice::sparse::cuda {

struct Grid {
  int x = 1, y = 1, z = 1;
};

/// Calls launch(grid, body). `most_blocks` bounds the grids of kernels whose blocks take more than one part.
/// False where no kernel fits.
template <class T, class Launch>
bool dispatch(const Version& v, const Work<T>& w, int64_t most_blocks, Launch launch) {
  const auto parts = [](int64_t count, int64_t size) { return static_cast<int>((count + size - 1) / size); };
  const auto each = [&](auto item, const Maps<T>& maps) {
    const int64_t rows = int64_t{maps.channels} * maps.height * maps.width;
    const int64_t blocks = parts(rows * w.images, 256);
    launch(Grid{static_cast<int>(blocks < most_blocks ? blocks : most_blocks)},
           Each<T, decltype(item)>{w, rows});
    return true;
  };
  const auto jobs = [&](auto body) {
    using Tiles = typename decltype(body)::Tiles;
    launch(Grid{parts(w.output.channels, body.kWarps), Tiles::tiles(w), w.images / kImages}, body);
    return true;
  };
  const auto mma = [&](auto body) {
    using Tiles = typename decltype(body)::Tiles;
    if (w.images % body.kAtOnce != 0 || w.group != body.kGroup) return false;
    launch(Grid{parts(w.output.channels, body.kGroup), Tiles::tiles(w), w.images / body.kAtOnce}, body);
    return true;
  };
  switch (v.kernel) {
    case Kernel::kLoad: {
      const int64_t rows = int64_t{w.output.channels} * w.output.height * w.output.width;
      launch(Grid{parts(rows, Load<T>::kSide), w.images / Load<T>::kSide}, Load<T>{w});
      return true;
    }
    case Kernel::kStore:
      return each(Store{}, w.input);
    case Kernel::kLift:
      return each(Lift{}, w.output);
    case Kernel::kPool:
      return each(Pool{}, w.output);
    case Kernel::kReshape:
      return each(Reshape{}, w.output);
    case Kernel::kReference:
      return each(Reference{}, w.output);
    case Kernel::kSimple:
      return each(Simple{}, w.output);
    case Kernel::kJobs:
      if (w.pool == 2) return v.positions == 4 && jobs(Jobs<T, 4, true>{w});
      if (w.pool != 1) return false;
      switch (v.positions) {
        case 1:
          return jobs(Jobs<T, 1, false>{w});
        case 2:
          return jobs(Jobs<T, 2, false>{w});
        case 4:
          return jobs(Jobs<T, 4, false>{w});
        case 8:
          return jobs(Jobs<T, 8, false>{w});
      }
      return false;
    case Kernel::kMma:
      if constexpr (std::is_same_v<T, Bf16>) {
        const bool wide = v.outputs == 64;
        if (!wide && v.outputs != 32) return false;
        const auto either = [&](auto narrow_body, auto wide_body) {
          return v.images == narrow_body.kAtOnce && (wide ? mma(wide_body) : mma(narrow_body));
        };
        if (w.pool == 2) return v.positions == 4 && either(Mma<32, 4, 64, true>{w}, Mma<64, 4, 64, true>{w});
        if (w.pool != 1) return false;
        if (v.positions == 4) return either(Mma<32, 4, 64, false>{w}, Mma<64, 4, 64, false>{w});
        if (v.positions == 2) return either(Mma<32, 2, 64, false>{w}, Mma<64, 2, 64, false>{w});
        if (v.positions != 1) return false;
        return either(Mma<32, 1, 64, false>{w}, Mma<64, 1, 64, false>{w}) ||
               either(Mma<32, 1, 128, false>{w}, Mma<64, 1, 128, false>{w});
      }
      return false;
  }
  return false;
}

}  // namespace coppice::sparse::cuda
