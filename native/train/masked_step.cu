// The sparse-mask kernel on CUDA: one thread per parameter, one read and one write of each arena.
#include "device/launch.cuh"
#include "train/masked_step.h"

namespace coppice {
namespace {

template <class T>
__device__ SgdRates<T> rates_of(const SgdStep& step, const StepNumbers& now) {
  return {step, now};
}
template <class T>
__device__ AdamRates<T> rates_of(const AdamStep& step, const StepNumbers& now) {
  return {step, now};
}

template <class T, class Step>
struct StepBody {
  Arenas<T> a;
  Step step;
  const StepNumbers* now;
  __device__ void operator()(int64_t i) const { masked_step(a, i, rates_of<T>(step, *now)); }
};

template <class T, class Step>
void launch(const Arenas<T>& a, const Step& step, const StepNumbers* now, void* stream) {
  for_each(a.count, stream, StepBody<T, Step>{a, step, now});
}

}  // namespace

void masked_step_cuda(const Arenas<float>& a, const SgdStep& s, const StepNumbers* now, void* stream) {
  launch(a, s, now, stream);
}
void masked_step_cuda(const Arenas<double>& a, const SgdStep& s, const StepNumbers* now, void* stream) {
  launch(a, s, now, stream);
}
void masked_step_cuda(const Arenas<float>& a, const AdamStep& s, const StepNumbers* now, void* stream) {
  launch(a, s, now, stream);
}
void masked_step_cuda(const Arenas<double>& a, const AdamStep& s, const StepNumbers* now, void* stream) {
  launch(a, s, now, stream);
}

}  // namespace coppice
