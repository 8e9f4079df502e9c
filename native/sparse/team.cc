#include "sparse/team.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace coppice::sparse {
namespace {

/// Some 20 µs: longer waits give the core to whoever needs it.
constexpr int kSpins = 1000;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

void Team::meet(int threads) {
  if (threads == 1) return;
  const int round = round_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    return;
  }
  for (int spins = 0; spins < kSpins; ++spins) {
    if (round_.load(std::memory_order_acquire) != round) return;
    pause();
  }
  round_.wait(round, std::memory_order_acquire);
}

FlushDenormals::FlushDenormals() {
#if defined(__x86_64__)
  before_ = _mm_getcsr();
  _mm_setcsr(before_ | 0x8040);  // flush results, take denormal operands as zero
#else
  before_ = 0;
#endif
}

FlushDenormals::~FlushDenormals() {
#if defined(__x86_64__)
  _mm_setcsr(before_);
#endif
}

}  // namespace coppice::sparse
