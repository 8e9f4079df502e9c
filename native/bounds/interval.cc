#include "bounds/interval.h"

#include <algorithm>
#include <limits>

namespace coppice {
namespace {

/// Terms beyond the products of a sum: centre and radius of a range, a folded weight's own rounding, the
/// bias.
constexpr int64_t kSweepTerms = 16;

/// Applies the node's linear map with the given weight and bias.
at::Tensor affine(const Node& node, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (const auto* conv = std::get_if<Conv2d>(&node.operation))
    return at::conv2d(x, weight, bias, conv->stride, conv->padding);
  return at::linear(x, weight, bias);
}

Range around(const at::Tensor& centre, const at::Tensor& radius) {
  return {centre - radius, centre + radius};
}

/// Convolution or linear: centre and radius (Gowal et al., 2018).
Range weighted(const Node& node, const NodeWeights& w, const Range& in, at::Tensor* magnitudes) {
  const at::Tensor centre = (in.lower + in.upper) / 2, radius = (in.upper - in.lower) / 2;
  const at::Tensor size = w.weight.abs();
  const at::Tensor middle = affine(node, centre, w.weight, w.bias);
  if (!magnitudes) return around(middle, affine(node, radius, size, {}));
  const int64_t images = in.lower.size(0);
  const at::Tensor both = affine(node, at::cat({radius, magnitude(in)}), size, {});
  *magnitudes = both.narrow(0, images, images);
  if (w.bias.defined()) {
    const at::Tensor bias = w.cancelled.defined() ? w.bias.abs() + w.cancelled : w.bias.abs();
    *magnitudes = *magnitudes + (both.dim() == 4 ? bias.view({-1, 1, 1}) : bias);
  }
  const at::ScalarType type = size.scalar_type();
  const int64_t terms = w.weight.numel() / w.weight.size(0) + kSweepTerms;
  return around(middle,
                both.narrow(0, 0, images) + rounding(terms, type) * *magnitudes + underflow(terms, type));
}

/// By the rounding of sums of so many terms.
Range widened(const Range& range, const at::Tensor& magnitudes, int64_t terms) {
  const at::ScalarType type = magnitudes.scalar_type();
  const at::Tensor error = rounding(terms, type) * magnitudes + underflow(terms, type);
  return {range.lower - error, range.upper + error};
}

/// x·scale + shift for each channel.
Range scaled(const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& cancelled, const Range& in,
             at::Tensor* magnitudes) {
  const at::Tensor a = in.lower * scale, b = in.upper * scale;
  Range out{at::minimum(a, b) + shift, at::maximum(a, b) + shift};
  if (!magnitudes) return out;
  *magnitudes = magnitude(in) * scale.abs() + (shift.abs() + cancelled);
  return widened(out, *magnitudes, kSweepTerms);
}

}  // namespace

Range box_around(const at::Tensor& images, double epsilon, bool clip, bool outward) {
  Range box{images - epsilon, images + epsilon};
  if (outward && epsilon > 0) {
    // Pixels are rounded to fp32, and so are these faces by an attack, whatever the type here.
    const at::Tensor error = (images.abs() + epsilon) * 0x1p-22;
    box = {box.lower - error, box.upper + error};
  }
  // An image may itself lie outside [0,1].
  if (clip) box = {box.lower.clamp_min(0), box.upper.clamp_max(1)};
  return {at::minimum(box.lower, box.upper), at::maximum(box.lower, box.upper)};
}

at::Tensor magnitude(const Range& range) { return at::maximum(range.lower.abs(), range.upper.abs()); }

double rounding(int64_t terms, at::ScalarType type) {
  const bool is_double = type == at::kDouble;
  // In float64 many more terms cost nothing, and cover every sum over a map or over nodes.
  const double unit = is_double ? 0x1p-53 : 0x1p-24, spare = is_double ? 4096 : 0;
  const double sum = (static_cast<double>(terms) + spare) * unit;
  // The magnitudes that it multiplies are rounded themselves.
  return sum < 0.5 ? 1.01 * sum / (1 - sum) : std::numeric_limits<double>::infinity();
}

double underflow(int64_t products, at::ScalarType type) {
  const double least =
      type == at::kDouble ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  return 2 * static_cast<double>(products) * least;
}

int64_t products_of(const Node& node, const NodeWeights& w) {
  if (const auto* pool = std::get_if<AveragePool2d>(&node.operation)) return pool->kernel * pool->kernel;
  const bool sums =
      std::holds_alternative<Conv2d>(node.operation) || std::holds_alternative<Linear>(node.operation);
  // Forwards over the inputs of an output, backwards over the outputs of an input.
  return sums ? std::max(w.weight.numel() / w.weight.size(0), w.weight.numel() / w.weight.size(1)) : 1;
}

ScaleAndShift scale_and_shift(const BatchNorm2d& op, const NodeWeights& w) {
  const at::ScalarType type = w.weight.scalar_type();
  const at::Tensor inverse = w.variance.to(at::kDouble).add(op.epsilon).rsqrt();
  const at::Tensor scale = w.weight.to(at::kDouble) * inverse;
  const at::Tensor moved = w.mean.to(at::kDouble) * scale;
  return {scale.to(type), (w.bias.to(at::kDouble) - moved).to(type),
          (moved.detach().abs() * cancellation(type)).to(type)};
}

Range interval_rule(const Node& node, const NodeWeights& w, const std::vector<Range>& inputs,
                    at::Tensor* magnitudes) {
  const Range& in = inputs[0];
  const auto both = [&](auto&& f) { return Range{f(in.lower), f(in.upper)}; };
  return std::visit(
      Rule{
          [&](const Normalize&) {
            const at::Tensor scale = 1 / w.weight;
            return scaled(scale, -w.bias * scale, at::zeros_like(scale), in, magnitudes);
          },
          [&](const Conv2d&) { return weighted(node, w, in, magnitudes); },
          [&](const BatchNorm2d& op) {
            const ScaleAndShift s = scale_and_shift(op, w);
            return scaled(s.scale.view({-1, 1, 1}), s.shift.view({-1, 1, 1}), s.cancelled.view({-1, 1, 1}),
                          in, magnitudes);
          },
          [&](const Relu&) { return both([](const at::Tensor& x) { return at::relu(x); }); },
          [&](const MaxPool2d& op) {
            return both([&](const at::Tensor& x) { return at::max_pool2d(x, op.kernel, op.stride); });
          },
          [&](const AveragePool2d& op) {
            const auto pool = [&](const at::Tensor& x) { return at::avg_pool2d(x, op.kernel, op.stride); };
            Range out = both(pool);
            if (magnitudes) {
              *magnitudes = pool(magnitude(in));
              out = widened(out, *magnitudes, op.kernel * op.kernel + kSweepTerms);
            }
            return out;
          },
          [&](const Flatten&) { return both([](const at::Tensor& x) { return x.contiguous().flatten(1); }); },
          [&](const Linear&) { return weighted(node, w, in, magnitudes); },
          [&](const Add&) {
            Range out{in.lower + inputs[1].lower, in.upper + inputs[1].upper};
            if (magnitudes) {
              *magnitudes = magnitude(in) + magnitude(inputs[1]);
              out = widened(out, *magnitudes, 1);
            }
            return out;
          },
      },
      node.operation);
}

}  // namespace coppice
