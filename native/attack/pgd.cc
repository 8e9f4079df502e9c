#include "attack/pgd.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "device/device.h"

namespace coppice {
namespace {

constexpr int64_t kGrain = 16384;

template <class T>
void start_into(const Batch& batch, at::Tensor& out, const Attack& attack, RandomKey key, uint32_t restart) {
  const int64_t n = batch.images.size(0);
  const RandomStart<T> s{batch.images.data_ptr<T>(),
                         batch.indices.data_ptr<int64_t>(),
                         out.data_ptr<T>(),
                         n,
                         n == 0 ? 0 : batch.images.numel() / n,
                         static_cast<T>(attack.epsilon),
                         attack.start,
                         key.seed,
                         key.epoch,
                         restart};
  const auto cpu = [&] {
    at::parallel_for(0, s.batch, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t block = 0; 4 * block < s.size; ++block) start_block(s, i, block);
    });
  };
  on_device(batch.images.device(), cpu,
            [&](void* stream) { COPPICE_CUDA_ONLY(random_start_cuda(s, stream)); });
}

template <class T>
void step_in_place(at::Tensor& x, const at::Tensor& images, const at::Tensor& gradient,
                   const Attack& attack) {
  const AscentStep<T> s{x.data_ptr<T>(),
                        images.data_ptr<T>(),
                        gradient.data_ptr<T>(),
                        x.numel(),
                        static_cast<T>(attack.step_size),
                        static_cast<T>(attack.epsilon)};
  const auto cpu = [&] {
    at::parallel_for(0, s.count, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        s.x[i] = ascend_element(s.x[i], s.images[i], s.gradient[i], s.step, s.epsilon);
    });
  };
  on_device(x.device(), cpu, [&](void* stream) { COPPICE_CUDA_ONLY(ascent_step_cuda(s, stream)); });
}

}  // namespace

at::Tensor random_start(const Batch& batch, const Attack& attack, RandomKey key, uint32_t restart) {
  at::Tensor out = batch.images.clone();
  if (attack.start == Start::kNone) return out;
  if (out.scalar_type() == at::kDouble)
    start_into<double>(batch, out, attack, key, restart);
  else
    start_into<float>(batch, out, attack, key, restart);
  return out;
}

at::Tensor ascend(const at::Tensor& images, at::Tensor x, const Attack& attack, const ImageLoss& loss,
                  const Interrupt& interrupt) {
  for (int64_t step = 0; step < attack.steps; ++step) {
    interrupt.check();
    at::Tensor gradient;
    {
      const at::AutoGradMode enabled(true);
      const at::Tensor input = x.detach().requires_grad_();
      gradient = torch::autograd::grad({loss(input)}, {input})[0];
    }
    gradient = gradient.to(x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
    if (x.scalar_type() == at::kDouble)
      step_in_place<double>(x, images, gradient, attack);
    else
      step_in_place<float>(x, images, gradient, attack);
  }
  return x;
}

}  // namespace coppice
