// Projected gradient ascent on CUDA: one thread per element, or per four random numbers.
#include "attack/ascent.h"
#include "attack/momentum.h"
#include "device/launch.cuh"

namespace coppice {
namespace {

template <class T>
struct StartBody {
  RandomStart<T> s;
  int64_t blocks_per_image;
  __device__ void operator()(int64_t i) const { start_block(s, i / blocks_per_image, i % blocks_per_image); }
};

template <class T>
struct StepBody {
  AscentStep<T> s;
  __device__ void operator()(int64_t i) const {
    s.x[i] = ascend_element(s.x[i], s.images[i], s.gradient[i], s.step, s.epsilon);
  }
};

template <class T>
struct MomentumBody {
  MomentumStep<T> s;
  __device__ void operator()(int64_t i) const { momentum_element(s, s.steps[i / s.size], i); }
};

template <class T>
void launch(const RandomStart<T>& s, void* stream) {
  const int64_t blocks = (s.size + 3) / 4;
  for_each(s.batch * blocks, stream, StartBody<T>{s, blocks});
}

}  // namespace

void random_start_cuda(const RandomStart<float>& s, void* stream) { launch(s, stream); }
void random_start_cuda(const RandomStart<double>& s, void* stream) { launch(s, stream); }
void ascent_step_cuda(const AscentStep<float>& s, void* stream) {
  for_each(s.count, stream, StepBody<float>{s});
}
void ascent_step_cuda(const AscentStep<double>& s, void* stream) {
  for_each(s.count, stream, StepBody<double>{s});
}

void momentum_step_cuda(const MomentumStep<float>& s, void* stream) {
  for_each(s.count * s.size, stream, MomentumBody<float>{s});
}
void momentum_step_cuda(const MomentumStep<double>& s, void* stream) {
  for_each(s.count * s.size, stream, MomentumBody<double>{s});
}

}  // namespace coppice
