// Square's proposals on CUDA: one thread per image.
#include "attack/squares.h"
#include "device/launch.cuh"

namespace coppice {
namespace {

template <class T>
struct StripesBody {
  Squares<T> s;
  __device__ void operator()(int64_t n) const { stripes_row(s, n); }
};

template <class T>
struct ProposeBody {
  Squares<T> s;
  uint32_t query;
  int64_t side;
  __device__ void operator()(int64_t n) const { propose_row(s, n, query, side); }
};

template <class T>
struct SettleBody {
  Squares<T> s;
  uint32_t query;
  int64_t side;
  const bool* accepted;
  __device__ void operator()(int64_t n) const { settle_row(s, n, query, side, accepted[n]); }
};

}  // namespace

void stripes_cuda(const Squares<float>& s, void* stream) { for_each(s.count, stream, StripesBody<float>{s}); }
void stripes_cuda(const Squares<double>& s, void* stream) {
  for_each(s.count, stream, StripesBody<double>{s});
}
void propose_cuda(const Squares<float>& s, uint32_t query, int64_t side, void* stream) {
  for_each(s.count, stream, ProposeBody<float>{s, query, side});
}
void propose_cuda(const Squares<double>& s, uint32_t query, int64_t side, void* stream) {
  for_each(s.count, stream, ProposeBody<double>{s, query, side});
}
void settle_cuda(const Squares<float>& s, uint32_t query, int64_t side, const bool* accepted, void* stream) {
  for_each(s.count, stream, SettleBody<float>{s, query, side, accepted});
}
void settle_cuda(const Squares<double>& s, uint32_t query, int64_t side, const bool* accepted, void* stream) {
  for_each(s.count, stream, SettleBody<double>{s, query, side, accepted});
}

}  // namespace coppice
