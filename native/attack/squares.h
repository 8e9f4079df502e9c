// The proposals of Square; one function per image, shared by CPU and CUDA.
#pragma once
#include "attack/ascent.h"

namespace coppice {

/// Images as rows [count, height, width, channels]: the originals, the best so far, and a candidate, which is
/// the best but for one square.
template <class T>
struct Squares {
  const T* images;
  T* best;
  T* candidate;
  const int64_t* samples;  ///< with the seed and the query, the key of all random numbers
  int64_t count, height, width, channels;
  T epsilon;
  uint64_t seed;
  uint32_t epoch;
};

template <class T>
COPPICE_INLINE Random4 square_bits(const Squares<T>& s, int64_t n, uint32_t counter, Purpose purpose) {
  const uint64_t sample = static_cast<uint64_t>(s.samples[n]);
  return philox(s.seed, counter, static_cast<uint32_t>(sample), s.epoch,
                static_cast<uint32_t>(purpose) | static_cast<uint32_t>(sample >> 32) << 8);
}

template <class T>
COPPICE_INLINE T corner(T image, bool up, T epsilon) {
  return clip(up ? image + epsilon : image - epsilon, T(0), T(1));
}

/// The first candidate: every column of every channel moved by ε, up or down.
template <class T>
COPPICE_INLINE void stripes_row(const Squares<T>& s, int64_t n) {
  const int64_t columns = s.width * s.channels;
  Random4 bits{};
  for (int64_t column = 0; column < columns; ++column) {
    if (column % 128 == 0) bits = square_bits(s, n, static_cast<uint32_t>(column / 128), Purpose::kStripes);
    const bool up = bits.v[column / 32 % 4] >> column % 32 & 1;
    for (int64_t row = 0; row < s.height; ++row) {
      const int64_t i = (n * s.height + row) * columns + column;
      s.best[i] = s.candidate[i] = corner(s.images[i], up, s.epsilon);
    }
  }
}

/// Calls body(i, up) for every value of the square of a query: uniform among all places within the image,
/// with a sign for each channel (channels 64 apart have the same).
template <class T, class Body>
COPPICE_INLINE void for_square(const Squares<T>& s, int64_t n, uint32_t query, int64_t side, Body&& body) {
  const Random4 bits = square_bits(s, n, query, Purpose::kSquare);
  const auto top = static_cast<int64_t>(uint64_t{bits.v[0]} * (s.height - side + 1) >> 32);
  const auto left = static_cast<int64_t>(uint64_t{bits.v[1]} * (s.width - side + 1) >> 32);
  for (int64_t row = top; row < top + side; ++row)
    for (int64_t column = left; column < left + side; ++column)
      for (int64_t channel = 0; channel < s.channels; ++channel)
        body(((n * s.height + row) * s.width + column) * s.channels + channel,
             static_cast<bool>(bits.v[2 + channel / 32 % 2] >> channel % 32 & 1));
}

/// Moves every value of the square by ε, up or down.
template <class T>
COPPICE_INLINE void propose_row(const Squares<T>& s, int64_t n, uint32_t query, int64_t side) {
  for_square(s, n, query, side,
             [&](int64_t i, bool up) { s.candidate[i] = corner(s.images[i], up, s.epsilon); });
}

/// The candidate becomes the best, or the best the candidate.
template <class T>
COPPICE_INLINE void settle_row(const Squares<T>& s, int64_t n, uint32_t query, int64_t side, bool accepted) {
  for_square(s, n, query, side, [&](int64_t i, bool) {
    if (accepted)
      s.best[i] = s.candidate[i];
    else
      s.candidate[i] = s.best[i];
  });
}

#ifdef COPPICE_WITH_CUDA
void stripes_cuda(const Squares<float>& s, void* stream);
void stripes_cuda(const Squares<double>& s, void* stream);
void propose_cuda(const Squares<float>& s, uint32_t query, int64_t side, void* stream);
void propose_cuda(const Squares<double>& s, uint32_t query, int64_t side, void* stream);
void settle_cuda(const Squares<float>& s, uint32_t query, int64_t side, const bool* accepted, void* stream);
void settle_cuda(const Squares<double>& s, uint32_t query, int64_t side, const bool* accepted, void* stream);
#endif

}  // namespace coppice
