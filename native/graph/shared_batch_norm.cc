#include "graph/shared_batch_norm.h"

#include <torch/csrc/autograd/custom_function.h>

namespace coppice {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

/// What sums and products over pixels are made in; per channel they are added up in float64.
at::Tensor wide(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat); }

at::Tensor per_channel(const at::Tensor& x) {
  return at::sum(x, at::IntArrayRef{0, 2, 3}, false, at::kDouble);
}

at::Tensor over_pixels(const at::Tensor& channels, const at::Tensor& like) {
  return channels.to(like.scalar_type()).view({1, -1, 1, 1});
}

/// ŷ = (x − μ)/√(σ² + ε) · scale + shift over all parts (Ioffe and Szegedy, 2015).
struct SharedBatchNorm : torch::autograd::Function<SharedBatchNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& scale,
                            const at::Tensor& shift, const at::Tensor& running_mean,
                            const at::Tensor& running_variance, double momentum, double epsilon,
                            int64_t part) {
    const at::Tensor values = wide(x);
    const int64_t channels = x.size(1);
    const at::Tensor count = at::full({1}, x.numel() / channels, x.options().dtype(at::kDouble));
    const at::Tensor sums = at::cat({per_channel(values), per_channel(values.square()), count});
    reinterpret_cast<const Part*>(part)->sum(sums);
    const at::Tensor n = sums.narrow(0, 2 * channels, 1);
    const at::Tensor mean = sums.narrow(0, 0, channels) / n;
    const at::Tensor variance = (sums.narrow(0, channels, channels) / n - mean.square()).clamp_min(0);
    const at::Tensor inverse = (variance + epsilon).rsqrt();
    if (running_mean.numel() > 0) {
      running_mean.mul_(1 - momentum).add_(mean.to(running_mean.scalar_type()), momentum);
      const at::Tensor unbiased = variance * (n / (n - 1));
      running_variance.mul_(1 - momentum).add_(unbiased.to(running_variance.scalar_type()), momentum);
    }
    context->saved_data["part"] = part;
    context->save_for_backward({x, scale, mean, inverse, n});
    const at::Tensor factor = scale.to(at::kDouble) * inverse;
    const at::Tensor offset = shift.to(at::kDouble) - mean * factor;
    return at::addcmul(over_pixels(offset, values), values, over_pixels(factor, values))
        .to(x.scalar_type())
        .contiguous(x.suggest_memory_format());
  }

  static tensor_list backward(AutogradContext* context, tensor_list outputs) {
    const tensor_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &scale = saved[1], &mean = saved[2], &inverse = saved[3], &n = saved[4];
    const auto* part = reinterpret_cast<const Part*>(context->saved_data["part"].toInt());
    const at::Tensor gradient = wide(outputs[0]);
    const at::Tensor normal = (wide(x) - over_pixels(mean, gradient)) * over_pixels(inverse, gradient);
    const at::Tensor of_shift = per_channel(gradient), of_scale = per_channel(gradient * normal);
    const at::Tensor sums = at::cat({of_shift, of_scale});
    part->sum(sums);
    const int64_t channels = x.size(1);
    const at::Tensor means = sums / n;
    const at::Tensor centred = gradient - over_pixels(means.narrow(0, 0, channels), gradient) -
                               normal * over_pixels(means.narrow(0, channels, channels), gradient);
    const at::Tensor of_x = centred * over_pixels(scale.to(at::kDouble) * inverse, gradient);
    return {of_x.to(x.scalar_type()),
            of_scale.to(scale.scalar_type()),
            of_shift.to(scale.scalar_type()),
            {},
            {},
            {},
            {},
            {}};
  }
};

}  // namespace

at::Tensor shared_batch_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                             const RunningStatistics& running, double epsilon, const Part& part) {
  // Autograd takes no tensors that are not there.
  const auto given = [&](const at::Tensor& statistics) {
    return statistics.defined() ? statistics : at::empty({0}, scale.options());
  };
  return SharedBatchNorm::apply(x, scale, shift, given(running.mean), given(running.variance),
                                running.momentum, epsilon, reinterpret_cast<int64_t>(&part));
}

}  // namespace coppice
