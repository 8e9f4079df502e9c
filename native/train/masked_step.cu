// The sparse-mask kernel on CUDA: one thread per parameter, one read and one write of each arena.
#include "device/launch.cuh"
#include "train/masked_step.h"

namespace coppice {
namespace {

template <class T, class Rates>
struct StepBody {
  Arenas<T> a;
  Rates rates;
  __device__ void operator()(int64_t i) const { masked_step(a, i, rates); }
};

template <class T, class Rates>
void launch(const Arenas<T>& a, const Rates& rates, void* stream) {
  for_each(a.count, stream, StepBody<T, Rates>{a, rates});
}

}  // namespace

void masked_step_cuda(const Arenas<float>& a, const SgdStep& s, void* stream) {
  launch(a, SgdRates<float>(s), stream);
}
void masked_step_cuda(const Arenas<double>& a, const SgdStep& s, void* stream) {
  launch(a, SgdRates<double>(s), stream);
}
void masked_step_cuda(const Arenas<float>& a, const AdamStep& s, void* stream) {
  launch(a, AdamRates<float>(s), stream);
}
void masked_step_cuda(const Arenas<double>& a, const AdamStep& s, void* stream) {
  launch(a, AdamRates<double>(s), stream);
}

}  // namespace coppice
