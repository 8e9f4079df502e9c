#include "bounds/interval.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "graph/batch_norm.h"
#include "graph/rounding.h"

namespace coppice {
namespace {

/// Terms beyond the products of a sum: centre and radius of a range, a folded weight's own rounding, the
/// bias.
constexpr int64_t kSweepTerms = 16;
/// Of a sum of two: it, and moving its ends.
constexpr int64_t kSumTerms = 4;

/// Pixels are rounded to fp32, and so are the faces of a box by an attack, whatever the type here.
constexpr double kOutward = 0x1p-22;
/// What faces lose where they are denormal numbers.
constexpr double kFlushed = 0x1p-124;

/// Applies the node's linear map with the given weight and bias.
at::Tensor affine(const Node& node, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return std::visit(Rule{
                        [&](const Conv2d& op) { return at::conv2d(x, weight, bias, op.stride, op.padding); },
                        [&](const Linear&) { return at::linear(x, weight, bias); },
                        [](const auto& op) -> at::Tensor {
                          static_assert(facts_of<decltype(op)>.numbers != Numbers::kWeight,
                                        "a weight needs its map");
                          throw std::logic_error(std::string(op.name) + " has no weight");
                        },
                    },
                    node.operation);
}

Range around(const at::Tensor& centre, const at::Tensor& radius) {
  return {centre - radius, centre + radius};
}

/// What a rounding bound has to hold: how many terms, and their magnitudes. Infinite where sums overflow,
/// since magnitudes do too.
at::Tensor rounding_error(const at::Tensor& magnitudes, int64_t terms) {
  const at::ScalarType type = magnitudes.scalar_type();
  return (magnitudes * rounding(terms, type)).add_(underflow(terms, type));
}

Range widened(const Range& range, const at::Tensor& magnitudes, int64_t terms) {
  const at::Tensor error = rounding_error(magnitudes, terms);
  return {range.lower - error, range.upper + error};
}

/// Magnitude of what each channel's bias adds up, with what cancelled in it and what flushed inputs lose
/// through weights of magnitude `size`.
at::Tensor bias_size(const NodeWeights& w, const at::Tensor& size) {
  const at::Tensor flushed = size.flatten(1).sum(1).add_(1).mul_(least_size(size.scalar_type()));
  if (!w.bias.defined()) return flushed;
  const at::Tensor bias = w.bias.abs() + flushed;
  return w.cancelled.defined() ? bias + w.cancelled : bias;
}

/// A radius that is NaN where its centre overflowed: an infinite centre is no bound.
at::Tensor poisoned(const at::Tensor& radius, const at::Tensor& centre) { return at::add(radius, centre, 0); }

int64_t terms_of(const NodeWeights& w) { return w.weight.numel() / w.weight.size(0) + kSweepTerms; }

/// Whether two maps lie alike in memory, element by element, where the kernels can go through them.
bool fit_kernels(const at::Tensor& a, const at::Tensor& b) {
  return a.is_cpu() && a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat &&
         a.is_non_overlapping_and_dense() && a.strides() == b.strides();
}

/// Convolution or linear: centre and radius (Gowal et al., 2018). With gradients, or with magnitudes.
Range weighted(const Node& node, const NodeWeights& w, const Range& in, bool sound, at::Tensor* magnitudes) {
  const at::Tensor centre = (in.lower + in.upper).mul_(0.5);
  const at::Tensor radius = (in.upper - in.lower).mul_(0.5);
  // Autograd adds up a weight's gradients in the reverse order of its uses: this order is part of the bits.
  const at::Tensor size = magnitude_of_weight(w, sound);
  const at::Tensor middle = affine(node, centre, w.weight, w.bias);
  if (!sound) return around(middle, affine(node, radius, size, {}));

  const int64_t images = in.lower.size(0);
  const at::Tensor both = affine(node, at::cat({radius, magnitude(in)}), size, {});
  const at::Tensor bias = bias_size(w, size);
  const at::Tensor largest =
      both.narrow(0, images, images) + (middle.dim() == 4 ? bias.view({-1, 1, 1}) : bias);
  if (magnitudes) *magnitudes = largest;
  // What products lose that are too small is far less than what the least magnitude of the bias stands for.
  const at::Tensor error = largest * rounding(terms_of(w), size.scalar_type());
  return around(middle, poisoned(both.narrow(0, 0, images) + error, middle));
}

/// x·scale + shift for each channel; `cancelled` in the shift.
Range scaled(const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& cancelled, const Range& in,
             bool sound, at::Tensor* magnitudes) {
  const at::Tensor a = in.lower * scale, b = in.upper * scale;
  const Range out{at::minimum(a, b) + shift, at::maximum(a, b) + shift};
  if (!sound) return out;
  const double least = least_size(scale.scalar_type());
  const at::Tensor size = scale.abs().clamp_min(least);
  const at::Tensor largest = magnitude(in) * size + (shift.abs() + cancelled + (size + 1) * least);
  if (magnitudes) *magnitudes = largest;
  return widened(out, largest, kSweepTerms);
}

}  // namespace

Range box_around(const at::Tensor& images, double epsilon, bool clip, bool outward) {
  if (fit_kernels(images, images) && !at::GradMode::is_enabled()) {
    const Range box{at::empty_like(images), at::empty_like(images)};
    faces_of_box(images.numel(), images.const_data_ptr<float>(), epsilon,
                 outward && epsilon > 0 ? Growth{kOutward, kFlushed} : Growth{}, clip,
                 box.lower.mutable_data_ptr<float>(), box.upper.mutable_data_ptr<float>());
    return box;
  }
  Range box{images - epsilon, images + epsilon};
  if (outward && epsilon > 0) {
    const at::Tensor error = ((images.abs() + epsilon) * kOutward).add_(kFlushed);
    box = {box.lower - error, box.upper + error};
  } else if (outward) {
    // Denormal pixels would be flushed to zero.
    const double least = least_size(images.scalar_type());
    const at::Tensor tiny = images.abs().lt(least);
    box = {at::where(tiny, -least, images), at::where(tiny, least, images)};
  }
  // An image may itself lie outside [0,1].
  if (clip) box = {box.lower.clamp_min(0), box.upper.clamp_max(1)};
  return {at::minimum(box.lower, box.upper), at::maximum(box.lower, box.upper)};
}

at::Tensor magnitude(const Range& range) { return at::maximum(range.lower.abs(), range.upper.abs()); }

int64_t products_of(const Node& node, const NodeWeights& w) {
  return std::visit(
      Rule{
          [](const AveragePool2d& op) { return op.kernel * op.kernel; },
          [](const MaxPool2d& op) { return op.kernel * op.kernel; },
          [&](const auto& op) -> int64_t {
            constexpr const Facts& of = facts_of<decltype(op)>;
            static_assert(of.numbers == Numbers::kWeight || !(of.mixes_channels || of.mixes_pixels),
                          "an operation that mixes inputs has to say how many");
            if constexpr (of.numbers != Numbers::kWeight) return 1;
            // Forwards over the inputs of an output, backwards over the outputs of an input.
            return std::max(w.weight.numel() / w.weight.size(0), w.weight.numel() / w.weight.size(1));
          },
      },
      node.operation);
}

at::Tensor magnitude_of_weight(const NodeWeights& w, bool sound) {
  const at::Tensor size = w.weight.abs();
  if (!sound) return size;
  return w.least.defined() ? at::maximum(size, w.least) : size.clamp_min(least_size(size.scalar_type()));
}

std::vector<at::Tensor> sizes_of(const Graph& graph, const Weights& weights) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> sizes(graph.nodes.size());
  for (size_t index = 0; index < sizes.size(); ++index) {
    if (facts(graph.nodes[index].operation).numbers == Numbers::kWeight)
      sizes[index] = magnitude_of_weight(weights[index], true);
  }
  return sizes;
}

/// With γ = rounding(terms), a radius r·(1 + g) + |c|·g goes through |weight| as at least (1 − γ) times what
/// it should, and has to cover r, γ·|c|, and some units of rounding of both: g = 1.25·γ does, up to γ = 0.1.
Growth growth_before(const NodeWeights& w, bool sound) {
  if (!sound) return {};
  const at::ScalarType type = w.weight.scalar_type();
  // Much more than centre and radius lose where they are flushed to zero.
  return {1.25 * rounding(terms_of(w), type), least_size(type)};
}

Ball ball_around(const Range& range, Growth growth) {
  const at::Tensor &lower = range.lower, &upper = range.upper;
  if (fit_kernels(lower, upper)) {
    const Ball out{at::empty_like(lower), at::empty_like(lower)};
    centre_and_radius(lower.numel(), lower.const_data_ptr<float>(), upper.const_data_ptr<float>(), growth,
                      out.centre.mutable_data_ptr<float>(), out.radius.mutable_data_ptr<float>());
    return out;
  }
  const at::Tensor centre = (lower + upper).mul_(0.5), radius = (upper - lower).mul_(0.5);
  return {centre, radius.mul_(1 + growth.relative).add_(centre.abs(), growth.relative).add_(growth.absolute)};
}

Ball weighted_ball(const Node& node, const NodeWeights& w, const at::Tensor& size, const Ball& in,
                   bool sound) {
  const at::Tensor middle = affine(node, in.centre, w.weight, w.bias);
  at::Tensor spare;
  if (sound) {
    // What the bias needs for its rounding passes for a bias of the radius.
    // And so does what inputs lose that are too small; what flushed ones do is in the radius.
    const Growth growth = growth_before(w, sound);
    spare = w.bias.defined() ? w.bias.abs() : at::zeros({w.weight.size(0)}, w.weight.options());
    if (w.cancelled.defined()) spare = spare + w.cancelled;
    spare = spare.mul(growth.relative).add_(growth.absolute);
  }
  return {middle, affine(node, in.radius, size, spare)};
}

Ball rectified_ball(Ball ball, Growth growth, at::Tensor* crossing) {
  if (fit_kernels(ball.centre, ball.radius)) {
    crossing->add_(rectify_in_place(ball.centre.numel(), ball.centre.mutable_data_ptr<float>(),
                                    ball.radius.mutable_data_ptr<float>(), growth));
    return ball;
  }
  const Range range = around(ball.centre, poisoned(ball.radius, ball.centre));
  crossing->add_(range.lower.lt(0).logical_and(range.upper.gt(0)).sum());
  return ball_around({at::relu(range.lower), at::relu(range.upper)}, growth);
}

Range ends_of(Ball ball) {
  if (!fit_kernels(ball.centre, ball.radius)) return around(ball.centre, poisoned(ball.radius, ball.centre));
  replace_by_ends(ball.centre.numel(), ball.centre.mutable_data_ptr<float>(),
                  ball.radius.mutable_data_ptr<float>());
  return {ball.centre, ball.radius};
}

Range interval_rule(const Node& node, const NodeWeights& w, const std::vector<Range>& inputs, bool sound,
                    at::Tensor* magnitudes) {
  const Range& in = inputs[0];
  const auto both = [&](auto&& f) { return Range{f(in.lower), f(in.upper)}; };
  return std::visit(
      Rule{
          [&](const Normalize&) {
            const at::Tensor scale = 1 / w.weight;
            return scaled(scale, -w.bias * scale, w.bias.abs() * least_size(scale.scalar_type()), in, sound,
                          magnitudes);
          },
          [&](const Conv2d&) { return weighted(node, w, in, sound, magnitudes); },
          [&](const BatchNorm2d& op) {
            const ScaleAndShift s = scale_and_shift(op, w);
            const at::ScalarType type = in.lower.scalar_type();
            const auto per_channel = [&](const at::Tensor& t) { return t.to(type).view({-1, 1, 1}); };
            return scaled(per_channel(s.scale), per_channel(s.shift),
                          per_channel(sizes_behind(s, w).shift * cancellation(type)), in, sound, magnitudes);
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
            return widened(out, largest, kSumTerms);
          },
      },
      node.operation);
}

}  // namespace coppice
