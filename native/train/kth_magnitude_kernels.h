// Selection by counting digits; shared by CPU and CUDA.
#pragma once
#include <cstdint>
#include <cstring>

#include "device/philox.h"

namespace coppice {

inline constexpr int kDigitBits = 11;
inline constexpr int kDigits = 1 << kDigitBits;  ///< values of a digit

/// The bits of a magnitude, which are ordered like it.
COPPICE_INLINE uint32_t magnitude_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits & 0x7fffffffu;
}
COPPICE_INLINE uint64_t magnitude_bits(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits & 0x7fffffffffffffffull;
}

/// How many digits the bits of a magnitude have; the first may have fewer bits.
template <class T>
inline constexpr int kDigitCount = (8 * static_cast<int>(sizeof(T)) - 1 + kDigitBits - 1) / kDigitBits;

/// What of a segment is known: the digits of its k-th magnitude so far, and k among those that begin with
/// them.
struct Selected {
  uint64_t prefix;
  int64_t rank;  ///< from 0
};

/// A stretch of one segment.
struct Chunk {
  int64_t begin, end;
  int32_t segment;
};

/// Counts the next digit of x if the digits before are those selected. `shift`: bits behind the digit.
template <class T>
COPPICE_INLINE int digit_of(T x, const Selected& selected, int shift) {
  const uint64_t bits = magnitude_bits(x);
  if (shift + kDigitBits < 64 && (bits >> (shift + kDigitBits)) != selected.prefix) return -1;
  return static_cast<int>((bits >> shift) & (kDigits - 1));
}

/// Takes the digit in whose count the rank falls.
COPPICE_INLINE void select_digit(Selected& selected, const uint32_t* counts) {
  int64_t rank = selected.rank;
  int digit = 0;
  while (digit < kDigits - 1 && rank >= counts[digit]) rank -= counts[digit++];
  selected = {selected.prefix << kDigitBits | static_cast<uint64_t>(digit), rank};
}

template <class T>
struct Selection {
  const T* values;
  const Chunk* chunks;
  int64_t chunk_count;
  Selected* selected;  ///< one per segment
  uint32_t* counts;    ///< [segments, kDigits]
  int64_t segments;
};

/// Sets values to zero whose score's magnitude is at most the selected one of their segment.
template <class T>
struct Zeroing {
  const T* scores;
  T* values;
  const Chunk* chunks;
  int64_t chunk_count;
  const Selected* selected;
};

#ifdef COPPICE_WITH_CUDA
void select_cuda(const Selection<float>& s, void* stream);
void select_cuda(const Selection<double>& s, void* stream);
void zero_cuda(const Zeroing<float>& z, void* stream);
void zero_cuda(const Zeroing<double>& z, void* stream);
#endif

}  // namespace coppice
