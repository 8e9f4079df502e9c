// Max pooling on CUDA: one thread per output value, and per input value for its gradient.
#include "device/launch.cuh"
#include "graph/max_pool_kernels.h"

namespace coppice {
namespace {

template <class T>
struct PoolBody {
  Pooling<T> p;
  __device__ void operator()(int64_t i) const {
    const PoolShape& s = p.shape;
    const int64_t channel = i % s.channels, place = i / s.channels, row = place / s.columns;
    pool_block<1>(p, row / s.rows, row % s.rows, place % s.columns, channel);
  }
};

template <class T>
struct GradientBody {
  PoolingGradient<T> p;
  __device__ void operator()(int64_t i) const {
    const PoolShape& s = p.shape;
    const int64_t channel = i % s.channels, place = i / s.channels, row = place / s.width;
    const int64_t y = row % s.height, x = place % s.width;
    pool_gradient_block<1>(p, row / s.height, y, windows_at(y, s.rows, s), x, windows_at(x, s.columns, s),
                           channel);
  }
};

template <class T>
void launch(const Pooling<T>& p, void* stream) {
  const PoolShape& s = p.shape;
  for_each(s.n * s.rows * s.columns * s.channels, stream, PoolBody<T>{p});
}
template <class T>
void launch(const PoolingGradient<T>& p, void* stream) {
  const PoolShape& s = p.shape;
  for_each(s.n * s.height * s.width * s.channels, stream, GradientBody<T>{p});
}

}  // namespace

void pool_cuda(const Pooling<float>& p, void* stream) { launch(p, stream); }
void pool_cuda(const Pooling<double>& p, void* stream) { launch(p, stream); }
void pool_cuda(const Pooling<c10::BFloat16>& p, void* stream) { launch(p, stream); }
void pool_gradient_cuda(const PoolingGradient<float>& p, void* stream) { launch(p, stream); }
void pool_gradient_cuda(const PoolingGradient<double>& p, void* stream) { launch(p, stream); }
void pool_gradient_cuda(const PoolingGradient<c10::BFloat16>& p, void* stream) { launch(p, stream); }

}  // namespace coppice
