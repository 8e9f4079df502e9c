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

/// What a rounding bound has to hold: how many terms, and their magnitudes.
at::Tensor rounding_error(const at::Tensor& magnitudes, int64_t terms) {
  const at::ScalarType type = magnitudes.scalar_type();
  return (magnitudes * rounding(terms, type)).add_(underflow(terms, type));
}

Range widened(const Range& range, const at::Tensor& magnitudes, int64_t terms) {
  const at::Tensor error = rounding_error(magnitudes, terms);
  return {range.lower - error, range.upper + error};
}

/// By how much of its inputs' magnitude a radius grows before it goes through |weight|, so that it covers the
/// rounding errors of centre and radius, its own among them: (1 − γ)·growth ≥ γ and some units to spare.
double growth(int64_t terms, at::ScalarType type) {
  const double gamma = rounding(terms, type);
  return gamma < 0.1 ? 1.25 * gamma : std::numeric_limits<double>::infinity();
}

/// Convolution or linear: centre and radius (Gowal et al., 2018).
Range weighted(const Node& node, const NodeWeights& w, const Range& in, bool sound, at::Tensor* magnitudes) {
  const at::Tensor centre = (in.lower + in.upper).mul_(0.5);
  at::Tensor radius = (in.upper - in.lower).mul_(0.5);
  const at::Tensor size = w.weight.abs();
  const at::Tensor middle = affine(node, centre, w.weight, w.bias);
  if (!sound) return around(middle, affine(node, radius, size, {}));

  const at::ScalarType type = size.scalar_type();
  const int64_t terms = w.weight.numel() / w.weight.size(0) + kSweepTerms;
  at::Tensor bias;
  if (w.bias.defined()) {
    bias = w.cancelled.defined() ? w.bias.abs() + w.cancelled : w.bias.abs();
    if (middle.dim() == 4) bias = bias.view({-1, 1, 1});
  }
  if (!magnitudes) {
    const double grown = growth(terms, type);
    radius = radius.mul_(1 + grown).add_(centre.abs(), grown);
    at::Tensor out = affine(node, radius, size, {}).add_(underflow(terms, type));
    if (bias.defined()) out = out.add_(bias, rounding(terms, type));
    return around(middle, out);
  }
  const int64_t images = in.lower.size(0);
  const at::Tensor both = affine(node, at::cat({radius, magnitude(in)}), size, {});
  *magnitudes = both.narrow(0, images, images);
  if (bias.defined()) *magnitudes = *magnitudes + bias;
  return around(middle, both.narrow(0, 0, images) + rounding_error(*magnitudes, terms));
}

/// x·scale + shift for each channel.
Range scaled(const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& cancelled, const Range& in,
             bool sound, at::Tensor* magnitudes) {
  const at::Tensor a = in.lower * scale, b = in.upper * scale;
  const Range out{at::minimum(a, b) + shift, at::maximum(a, b) + shift};
  if (!sound) return out;
  const at::Tensor largest = magnitude(in) * scale.abs() + (shift.abs() + cancelled);
  if (magnitudes) *magnitudes = largest;
  return widened(out, largest, kSweepTerms);
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

Range interval_rule(const Node& node, const NodeWeights& w, const std::vector<Range>& inputs, bool sound,
                    at::Tensor* magnitudes) {
  const Range& in = inputs[0];
  const auto both = [&](auto&& f) { return Range{f(in.lower), f(in.upper)}; };
  return std::visit(
      Rule{
          [&](const Normalize&) {
            const at::Tensor scale = 1 / w.weight;
            return scaled(scale, -w.bias * scale, at::zeros_like(scale), in, sound, magnitudes);
          },
          [&](const Conv2d&) { return weighted(node, w, in, sound, magnitudes); },
          [&](const BatchNorm2d& op) {
            const ScaleAndShift s = scale_and_shift(op, w);
            return scaled(s.scale.view({-1, 1, 1}), s.shift.view({-1, 1, 1}), s.cancelled.view({-1, 1, 1}),
                          in, sound, magnitudes);
          },
          [&](const Relu&) { return both([](const at::Tensor& x) { return at::relu(x); }); },
          [&](const MaxPool2d& op) {
            return both([&](const at::Tensor& x) { return at::max_pool2d(x, op.kernel, op.stride); });
          },
          [&](const AveragePool2d& op) {
            const auto pool = [&](const at::Tensor& x) { return at::avg_pool2d(x, op.kernel, op.stride); };
            const Range out = both(pool);
            if (!sound) return out;
            const at::Tensor largest = pool(magnitude(in));
            if (magnitudes) *magnitudes = largest;
            return widened(out, largest, op.kernel * op.kernel + kSweepTerms);
          },
          [&](const Flatten&) { return both([](const at::Tensor& x) { return x.contiguous().flatten(1); }); },
          [&](const Linear&) { return weighted(node, w, in, sound, magnitudes); },
          [&](const Add&) {
            const Range out{in.lower + inputs[1].lower, in.upper + inputs[1].upper};
            if (!sound) return out;
            const at::Tensor largest = magnitude(in) + magnitude(inputs[1]);
            if (magnitudes) *magnitudes = largest;
            return widened(out, largest, 1);
          },
      },
      node.operation);
}

}  // namespace coppice
