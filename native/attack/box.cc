#include "attack/box.h"

#include <ATen/Parallel.h>

#include "device/device.h"
#include "device/vectorised.h"

namespace coppice {
namespace {

constexpr int64_t kGrain = 16384;

template <class T>
void start_into(const Batch& batch, at::Tensor& out, Start start, double epsilon, RandomKey key,
                uint32_t attempt) {
  const int64_t n = batch.images.size(0);
  const RandomStart<T> s{batch.images.data_ptr<T>(),
                         batch.indices.data_ptr<int64_t>(),
                         out.data_ptr<T>(),
                         n,
                         n == 0 ? 0 : batch.images.numel() / n,
                         static_cast<T>(epsilon),
                         start,
                         key.seed,
                         key.epoch,
                         attempt};
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
void step_in_place(at::Tensor& x, const at::Tensor& images, const at::Tensor& direction, double step_size,
                   double epsilon) {
  const AscentStep<T> s{x.data_ptr<T>(), images.data_ptr<T>(),      direction.data_ptr<T>(),
                        x.numel(),       static_cast<T>(step_size), static_cast<T>(epsilon)};
  const auto cpu = [&] {
    at::parallel_for(0, s.count, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        s.x[i] = ascend_element(s.x[i], s.images[i], s.gradient[i], s.step, s.epsilon);
    });
  };
  on_device(x.device(), cpu, [&](void* stream) { COPPICE_CUDA_ONLY(ascent_step_cuda(s, stream)); });
}

template <class T>
COPPICE_FORCED_INLINE void momentum_row(const MomentumStep<T>& s, int64_t row) {
  const T step = s.steps[row];
  for (int64_t i = row * s.size; i < (row + 1) * s.size; ++i) momentum_element(s, step, i);
}

// Templates have no clones for instruction sets.
COPPICE_VECTORISED void step_row(const MomentumStep<float>& s, int64_t row) { momentum_row(s, row); }
COPPICE_VECTORISED void step_row(const MomentumStep<double>& s, int64_t row) { momentum_row(s, row); }

template <class T>
void momentum_in_place(at::Tensor& x, at::Tensor& previous, const at::Tensor& images,
                       const at::Tensor& gradient, const at::Tensor& steps, double epsilon, double momentum) {
  const MomentumStep<T> s{x.data_ptr<T>(),
                          previous.data_ptr<T>(),
                          images.data_ptr<T>(),
                          gradient.data_ptr<T>(),
                          steps.data_ptr<T>(),
                          x.size(0),
                          x.size(1),
                          static_cast<T>(epsilon),
                          static_cast<T>(momentum)};
  const auto cpu = [&] {
    at::parallel_for(0, s.count, std::max<int64_t>(1, kGrain / s.size), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) step_row(s, row);
    });
  };
  on_device(x.device(), cpu, [&](void* stream) { COPPICE_CUDA_ONLY(momentum_step_cuda(s, stream)); });
}

}  // namespace

at::Tensor start_in_box(const Batch& batch, Start start, double epsilon, RandomKey key, uint32_t attempt) {
  at::Tensor out = batch.images.clone();
  if (start == Start::kNone) return out;
  if (out.scalar_type() == at::kDouble)
    start_into<double>(batch, out, start, epsilon, key, attempt);
  else
    start_into<float>(batch, out, start, epsilon, key, attempt);
  return out;
}

void step_in_box(at::Tensor& x, const at::Tensor& images, const at::Tensor& direction, double step_size,
                 double epsilon) {
  if (x.scalar_type() == at::kDouble)
    step_in_place<double>(x, images, direction, step_size, epsilon);
  else
    step_in_place<float>(x, images, direction, step_size, epsilon);
}

void momentum_step_in_box(at::Tensor& x, at::Tensor& previous, const at::Tensor& images,
                          const at::Tensor& gradient, const at::Tensor& steps, double epsilon,
                          double momentum) {
  if (x.scalar_type() == at::kDouble)
    momentum_in_place<double>(x, previous, images, gradient, steps, epsilon, momentum);
  else
    momentum_in_place<float>(x, previous, images, gradient, steps, epsilon, momentum);
}

}  // namespace coppice
