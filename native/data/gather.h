// The kernel that turns stored bytes into a batch; one function for CPU and CUDA.
#pragma once
#include "device/philox.h"

namespace coppice {

template <class T>
struct Gather {
  const uint8_t* images;   ///< [n, channels, height, width]
  const int64_t* indices;  ///< [batch]
  T* out;                  ///< [batch, height, width, channels]
  int64_t batch, channels, height, width;
  int64_t pad;
  bool flip;
  uint64_t seed;
  uint32_t epoch;
};

/// Where a sample's crop begins, in pixels of the unpadded image, and whether it is mirrored.
struct Placement {
  int64_t top, left;
  bool mirrored;
};

template <class T>
COPPICE_INLINE Placement placement(const Gather<T>& g, int64_t sample) {
  const Random4 r = philox(g.seed, static_cast<uint32_t>(sample), static_cast<uint32_t>(sample >> 32),
                           g.epoch, static_cast<uint32_t>(Purpose::kAugment));
  const uint32_t offsets = static_cast<uint32_t>(2 * g.pad + 1);
  return {static_cast<int64_t>(r.v[0] % offsets) - g.pad, static_cast<int64_t>(r.v[1] % offsets) - g.pad,
          g.flip && (r.v[2] & 1u) != 0};
}

/// Writes all channels of one output pixel.
template <class T>
COPPICE_INLINE void gather_pixel(const Gather<T>& g, const Placement& place, int64_t n, int64_t y,
                                 int64_t x) {
  const int64_t from_y = y + place.top;
  const int64_t from_x = (place.mirrored ? g.width - 1 - x : x) + place.left;
  const bool inside = from_y >= 0 && from_y < g.height && from_x >= 0 && from_x < g.width;
  const int64_t plane = g.height * g.width;
  const uint8_t* in = g.images + g.indices[n] * g.channels * plane + from_y * g.width + from_x;
  T* out = g.out + ((n * g.height + y) * g.width + x) * g.channels;
  for (int64_t c = 0; c < g.channels; ++c) out[c] = inside ? static_cast<T>(in[c * plane]) / T(255) : T(0);
}

#ifdef COPPICE_WITH_CUDA
void gather_cuda(const Gather<float>& g, void* stream);
void gather_cuda(const Gather<double>& g, void* stream);
#endif

}  // namespace coppice
