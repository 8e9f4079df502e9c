// The batch kernel on CUDA: one thread per output pixel.
#include "data/gather.h"
#include "device/launch.cuh"

namespace coppice {
namespace {

template <class T>
struct GatherBody {
  Gather<T> g;
  __device__ void operator()(int64_t i) const {
    const int64_t pixels = g.height * g.width, n = i / pixels, pixel = i % pixels;
    gather_pixel(g, placement(g, g.indices[n]), n, pixel / g.width, pixel % g.width);
  }
};

}  // namespace

void gather_cuda(const Gather<float>& g, void* stream) {
  for_each(g.batch * g.height * g.width, stream, GatherBody<float>{g});
}
void gather_cuda(const Gather<double>& g, void* stream) {
  for_each(g.batch * g.height * g.width, stream, GatherBody<double>{g});
}

}  // namespace coppice
