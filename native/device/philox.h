// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// 2011). A number is a function of its key and its counter alone, so there is no generator state to save or
// to order.
#pragma once
#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define COPPICE_INLINE __host__ __device__ inline
#else
#define COPPICE_INLINE inline
#endif
/// Into functions that are compiled for several instruction sets, too.
#define COPPICE_FORCED_INLINE COPPICE_INLINE __attribute__((always_inline))

namespace coppice {

/// What a random number is for; part of the counter, so that two uses never share numbers.
enum class Purpose : uint32_t {
  kInitialise = 1,
  kAugment = 2,
  kStart = 3,
  kDraw = 4,
  kStripes = 5,
  kSquare = 6
};

struct Random4 {
  uint32_t v[4];
};

/// Four independent uniform 32-bit numbers for (key, counter).
COPPICE_INLINE Random4 philox(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0,
                   n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

/// Uniform in [0, 1) with 24 bits, exact in fp32.
COPPICE_INLINE float to_unit(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

/// Two standard normal numbers from two uniform ones (Box and Muller, 1958).
COPPICE_INLINE void to_normal(uint32_t a, uint32_t b, float& x, float& y) {
  const float radius = std::sqrt(-2.0f * std::log((static_cast<float>(a >> 8) + 1.0f) * 0x1p-24f));
  const float angle = 6.2831853071795864769f * to_unit(b);
  x = radius * std::cos(angle);
  y = radius * std::sin(angle);
}

}  // namespace coppice
