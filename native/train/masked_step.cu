// The sparse-mask kernel on CUDA: one thread per parameter, one read and one write of each arena.
#include "device/launch.cuh"
#include "train/masked_step.h"

namespace coppice {
namespace {

template <class T>
struct SgdBody {
  Arenas<T> a;
  T rate, momentum, decay;
  bool nesterov;
  __device__ void operator()(int64_t i) const { masked_sgd(a, i, rate, momentum, decay, nesterov); }
};

template <class T>
struct AdamBody {
  Arenas<T> a;
  T rate, beta1, beta2, epsilon, decay, root;
  __device__ void operator()(int64_t i) const { masked_adam(a, i, rate, beta1, beta2, epsilon, decay, root); }
};

template <class T>
void launch(const Arenas<T>& a, const SgdStep& s, void* stream) {
  for_each(a.count, stream, SgdBody<T>{a, T(s.learning_rate), T(s.momentum), T(s.weight_decay), s.nesterov});
}

template <class T>
void launch(const Arenas<T>& a, const AdamStep& s, void* stream) {
  for_each(a.count, stream,
           AdamBody<T>{a, T(s.learning_rate / s.correction1), T(s.beta1), T(s.beta2), T(s.epsilon), T(s.weight_decay),
                       T(s.correction2)});
}

}  // namespace

void masked_step_cuda(const Arenas<float>& a, const SgdStep& s, void* stream) { launch(a, s, stream); }
void masked_step_cuda(const Arenas<double>& a, const SgdStep& s, void* stream) { launch(a, s, stream); }
void masked_step_cuda(const Arenas<float>& a, const AdamStep& s, void* stream) { launch(a, s, stream); }
void masked_step_cuda(const Arenas<double>& a, const AdamStep& s, void* stream) { launch(a, s, stream); }

}  // namespace coppice
