#include "bounds/backward.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "graph/batch_norm.h"
#include "graph/rounding.h"

namespace coppice {
namespace {

/// Sums beyond those over weights: products summed in fp32 runs, the slope, the bias, windows added up.
constexpr int64_t kExtraTerms = 16;
/// Beside the terms of the rows' own sums.
constexpr int64_t kFewTerms = 8;
/// Nodes in a row that round coefficients, but add nothing to bound that by, which the terms above cover.
constexpr int64_t kUncounted = 3;

using Size = std::array<int64_t, 3>;  ///< channels, height, width; features are channels of one pixel

Size size_of(const Graph& graph, int node) {
  if (node == kImage) return graph.input;
  const std::vector<int64_t>& shape = graph.nodes[node].shape;
  return shape.size() == 3 ? Size{shape[0], shape[1], shape[2]} : Size{shape[0], 1, 1};
}

/// What a window of outputs sees of the inputs of a sliding operation.
Window before(const Window& window, int64_t kernel, int64_t stride, int64_t padding, const Size& input) {
  if (window.whole()) return Window::all(input[1], input[2]);
  return {window.stride * stride, window.offset * stride - padding, (window.height - 1) * stride + kernel,
          (window.width - 1) * stride + kernel};
}

/// A window that is as large as the map is better replaced by the map.
bool outgrown(const Window& window, const Size& map) {
  return !window.whole() && window.height >= map[1] && window.width >= map[2];
}

/// The smallest window that holds both.
Window merged(const Window& a, const Window& b, const Size& map) {
  if (a.whole() || b.whole() || a.stride != b.stride) return Window::all(map[1], map[2]);
  const int64_t offset = std::min(a.offset, b.offset);
  const auto end = [&](int64_t first, int64_t second) {
    return std::max(a.offset + first, b.offset + second) - offset;
  };
  return {a.stride, offset, end(a.height, b.height), end(a.width, b.width)};
}

bool same(const Window& a, const Window& b) {
  return a.stride == b.stride && a.offset == b.offset && a.height == b.height && a.width == b.width;
}

/// The windows of a node's inputs, given that of its output; one rule for costs and for the pass itself.
Window window_before(const Graph& graph, const Node& node, int input, const Window& window) {
  const Size in = size_of(graph, input);
  return std::visit(
      Rule{[&](const Conv2d& op) { return before(window, op.kernel, op.stride, op.padding, in); },
           [&](const MaxPool2d& op) { return before(window, op.kernel, op.stride, 0, in); },
           [&](const AveragePool2d& op) { return before(window, op.kernel, op.stride, 0, in); },
           [&](const Flatten&) { return Window::all(in[1], in[2]); },
           [&](const Linear&) { return Window::all(1, 1); }, [&](const auto&) { return window; }},
      node.operation);
}

/// The weights packed for kernels, if they may be used: kernels record no gradients.
const std::vector<PackedNode>* packed(const Relaxed& network) {
  return at::GradMode::is_enabled() ? nullptr : network.packed.get();
}

/// Terms for what the longest chain of nodes that are not affine rounds beyond that: a product each, and a
/// sum.
int64_t terms_of_chains(const Graph& graph) {
  std::vector<int64_t> length(graph.nodes.size());
  int64_t longest = 0;
  for (size_t index = 0; index < length.size(); ++index) {
    const Node& node = graph.nodes[index];
    if (facts(node.operation).form == Form::kAffine && !std::holds_alternative<Flatten>(node.operation))
      continue;
    length[index] = 1 + (node.inputs[0] == kImage ? 0 : length[node.inputs[0]]);
    longest = std::max(longest, length[index]);
  }
  return 2 * std::max<int64_t>(0, longest - kUncounted);
}

class Pass {
 public:
  Pass(const Relaxed& network, Rows rows, Until until)
      : network_(network),
        rows_(std::move(rows)),
        until_(until),
        spare_(terms_of_chains(network.graph)),
        deliveries_(network.graph.nodes.size() + 1),
        waiting_(network.graph.nodes.size()) {
    const auto options = rows_.sample.options().dtype(at::kDouble);
    bounds_.low = at::zeros({rows_.count()}, options);
    bounds_.high = at::zeros({rows_.count()}, options);
    bounds_.error = network.underflow.defined() ? network.underflow.index_select(0, rows_.sample)
                                                : at::zeros({rows_.count()}, options);
  }

  RowBounds run(int target) {
    target_ = target;
    for (int index = target; index >= 0; --index) {
      if (!waiting_[index]) continue;
      Coefficients here = std::move(*waiting_[index]);
      waiting_[index].reset();
      step(index, std::move(here));
    }
    if (image_)
      add(concretize(*image_, rows_, network_.box.lower, network_.box.upper), *image_, network_.box);
    return bounds_;
  }

  /// Adds coefficients for the outputs of a node, or for the image.
  void deliver(int node, Coefficients of) {
    const Size map = size_of(network_.graph, node);
    if (outgrown(of.window, map)) of = over_whole_map(of, rows_, map[1], map[2]);
    // Lines and box count nothing outside the map; other operations would.
    else if (!of.window.whole() && !ignores_outside(node))
      of.values = of.values * inside(of, map);
    std::optional<Coefficients>& there = node == kImage ? image_ : waiting_[node];
    if (!there) {
      there = std::move(of);
      return;
    }
    // A sum of two is rounded by no more than its value, which the next step counts; one of three may cancel.
    if (network_.sound && ++deliveries_[node + 1] > 1)
      add_error(weigh(*there, rows_, sizes_before(node)), kFewTerms, there->values.scalar_type());
    const Window both = merged(there->window, of.window, map);
    there->values = fitted(*there, both, map) + fitted(of, both, map);
    there->window = both;
  }

  /// Adds constants that hold for each row, and |values| whose sum was rounded.
  void add_constant(const at::Tensor& constant) {
    bounds_.low = bounds_.low + constant;
    bounds_.high = bounds_.high + constant;
  }
  void add_error(const at::Tensor& magnitudes, int64_t terms, at::ScalarType type) {
    if (network_.sound) bounds_.error = bounds_.error + magnitudes * rounding(terms + spare_, type);
  }

 private:
  /// Whether each value of the node is a function of one pixel that nothing else reads: its range is all
  /// there is to know about the image.
  bool ends_pass(int node) const {
    const Node& n = network_.graph.nodes[node];
    return std::holds_alternative<Normalize>(n.operation) && n.inputs[0] == kImage &&
           network_.graph.consumers_of_image() == 1;
  }

  bool ignores_outside(int node) const {
    if (node == kImage || ends_pass(node)) return true;
    const Operation& op = network_.graph.nodes[node].operation;
    return std::holds_alternative<Relu>(op) && until_ == Until::kImage;
  }

  at::Tensor inside(const Coefficients& of, const Size& map) const {
    return cells(of.window, rows_, map[1], map[2])
        .inside.view({rows_.count(), 1, of.window.height, of.window.width})
        .to(of.values.scalar_type());
  }

  /// Magnitudes of a range.
  static at::Tensor sizes_of(const Range& range) {
    return magnitude(range).clamp_min_(least_size(range.lower.scalar_type()));
  }
  at::Tensor sizes_before(int node) const {
    return sizes_of(node == kImage ? network_.box : network_.ranges[node]);
  }

  /// The same coefficients over a larger window.
  at::Tensor fitted(const Coefficients& of, const Window& window, const Size& map) const {
    if (same(of.window, window)) return of.values;
    if (window.whole()) return over_whole_map(of, rows_, map[1], map[2]).values;
    const int64_t first = of.window.offset - window.offset;
    return at::constant_pad_nd(of.values, {first, window.width - of.window.width - first, first,
                                           window.height - of.window.height - first});
  }

  void add(const Constants& constants, const Coefficients& of, const Range& range) {
    bounds_.low = bounds_.low + constants.low;
    bounds_.high = bounds_.high + constants.high;
    if (network_.sound)
      add_error(weigh(of, rows_, sizes_of(range)), terms_of_sums(of) + kFewTerms, of.values.scalar_type());
  }

  /// The bias of an affine node, and the rounding errors of going through it.
  void count_affine(int index, const Coefficients& of, const at::Tensor& bias, int64_t terms) {
    if (bias.defined()) add_constant(weigh_channels(of, rows_, bias));
    if (network_.sound)
      add_error(weigh(of, rows_, network_.magnitudes[index]), terms + kExtraTerms + terms_of_channels(of),
                of.values.scalar_type());
  }

  void step(int index, Coefficients of) {
    const Node& node = network_.graph.nodes[index];
    const NodeWeights& w = network_.weights[index];
    const int input = node.inputs[0];
    const Size in = size_of(network_.graph, input);
    const Window window = window_before(network_.graph, node, input, of.window);
    const auto pass_on = [&](at::Tensor values) { deliver(input, {std::move(values), window}); };
    const auto per_channel = [&](const at::Tensor& map) {
      return of.values.dim() == 4 ? map.view({-1, 1, 1}) : map;
    };
    const auto nonlinear = [&](auto&& go_on) {
      if (until_ == Until::kImage) return go_on();
      const Range& range = network_.ranges[index];
      add(concretize(of, rows_, range.lower, range.upper), of, range);
    };
    std::visit(
        Rule{
            [&](const Normalize&) {
              if (ends_pass(index)) {
                const Range& range = network_.ranges[index];
                return add(concretize(of, rows_, range.lower, range.upper), of, range);
              }
              const at::Tensor scale = 1 / w.weight.flatten();
              count_affine(index, of, -w.bias.flatten() * scale, 1);
              pass_on(of.values * per_channel(scale));
            },
            [&](const Conv2d& op) {
              const int64_t taps = (op.kernel + op.stride - 1) / op.stride;
              // The kernels add up the output channels of each tap, then the taps.
              count_affine(index, of, w.bias,
                           packed(network_) ? op.channels + taps * taps : op.channels * taps * taps);
              pass_on(through(index, op, of, window, in));
            },
            [&](const BatchNorm2d& op) {
              const ScaleAndShift s = scale_and_shift(op, w);
              const at::ScalarType type = of.values.scalar_type();
              count_affine(index, of, s.shift.to(type), 1);
              pass_on(of.values * per_channel(s.scale.to(type)));
            },
            [&](const Relu&) {
              nonlinear([&] {
                const int64_t terms = terms_of_sums(of) + kFewTerms;
                const Constants constants = relax(of, rows_, network_.lines[index]);
                bounds_.low = bounds_.low + constants.low;
                bounds_.high = bounds_.high + constants.high;
                // All terms of each have one sign.
                add_error(at::maximum(constants.low.abs(), constants.high.abs()), terms,
                          of.values.scalar_type());
                pass_on(of.values);
              });
            },
            [&](const MaxPool2d& op) { nonlinear([&] { pass_on(through(index, op, of, window, in)); }); },
            [&](const AveragePool2d& op) {
              count_affine(index, of, {}, op.kernel * op.kernel);
              const Size out = size_of(network_.graph, index);
              const int64_t height = of.window.whole() ? in[1] : window.height,
                            width = of.window.whole() ? in[2] : window.width;
              const at::Tensor like =
                  at::zeros({1}, of.values.options()).expand({rows_.count(), out[0], height, width});
              pass_on(at::avg_pool2d_backward(of.values.contiguous(), like, {op.kernel, op.kernel},
                                              {op.stride, op.stride}, {0, 0}, false, true, std::nullopt));
            },
            [&](const Flatten&) {
              const bool maps = input == kImage || network_.graph.nodes[input].shape.size() == 3;
              const auto* order = packed(network_);
              if (maps && order && index != target_ && (*order)[index].by_pixel)
                of.values = of.values.view({rows_.count(), in[1], in[2], in[0]}).permute({0, 3, 1, 2});
              else if (maps)
                of.values = of.values.view({rows_.count(), in[0], in[1], in[2]});
              pass_on(of.values);
            },
            [&](const Linear& op) {
              count_affine(index, of, w.bias, op.features);
              const auto* kernels = packed(network_);
              pass_on(kernels ? transposed_convolution(of.values.unsqueeze(-1).unsqueeze(-1),
                                                       (*kernels)[index].weight, 1, 0, 1, 1)
                                    .flatten(1)
                              : of.values.matmul(w.weight));
            },
            [&](const Add&) {
              count_affine(index, of, {}, 1);
              // Steps overwrite the values they get.
              deliver(node.inputs[1], {of.values.clone(), of.window});
              pass_on(of.values);
            },
        },
        node.operation);
  }

  at::Tensor through(int index, const Conv2d& op, const Coefficients& of, const Window& next,
                     const Size& in) const {
    const int64_t s = op.stride;
    if (const auto* kernels = packed(network_))
      return transposed_convolution(of.values, (*kernels)[index].weight, s,
                                    of.window.whole() ? op.padding : 0, next.height, next.width);
    const at::Tensor& weight = network_.weights[index].weight;
    if (of.values.is_cpu() && of.values.scalar_type() == at::kFloat)
      return recorded_transposed_convolution(of.values, weight, s, of.window.whole() ? op.padding : 0,
                                             next.height, next.width);
    if (!of.window.whole()) return at::conv_transpose2d(of.values, weight, {}, {s, s});
    const auto unread = [&](int64_t input, int64_t output) {
      return input - ((output - 1) * s - 2 * op.padding + op.kernel);
    };
    return at::conv_transpose2d(of.values, weight, {}, {s, s}, {op.padding, op.padding},
                                {unread(in[1], of.values.size(2)), unread(in[2], of.values.size(3))});
  }

  /// Each coefficient goes to the input its line names, or becomes a constant.
  at::Tensor through(int index, const MaxPool2d& op, const Coefficients& of, const Window& window,
                     const Size& in) {
    const PoolLines& pool = network_.pools[index];
    const at::Tensor alone = gather(pool.alone, rows_.sample, of.window, rows_);
    const at::Tensor upper = gather(pool.upper, rows_.sample, of.window, rows_);
    const at::Tensor chosen = gather(pool.index, rows_.sample, of.window, rows_);
    const at::Tensor negative = of.values.clamp_max(0), fixed = negative * (1 - alone);
    bounds_.low = bounds_.low + (fixed * upper).flatten(1).sum(1, false, at::kDouble);
    if (network_.sound) {
      const at::ScalarType type = of.values.scalar_type();
      const at::Tensor size = fixed.abs() * upper.abs().clamp_min(least_size(type));
      add_error(size.flatten(1).sum(1, false, at::kDouble), size[0].numel() + kExtraTerms, type);
      // Windows that overlap add up at the inputs that they share.
      const int64_t overlap = (op.kernel + op.stride - 1) / op.stride;
      if (overlap > 1) add_error(weigh(of, rows_, sizes_before(index)), overlap * overlap, type);
    }
    const at::Tensor moved = (of.values - fixed).flatten(2);
    const int64_t height = of.window.whole() ? in[1] : window.height,
                  width = of.window.whole() ? in[2] : window.width;
    at::Tensor place = chosen.flatten(2);
    if (!of.window.whole()) {
      const auto corner = [&](const at::Tensor& at_row) {
        return (at_row * window.stride + window.offset).view({-1, 1, 1});
      };
      // Outside the map coefficients are zero and may go anywhere.
      const at::Tensor y = (place.div(in[2], "floor") - corner(rows_.y)).clamp(0, height - 1);
      const at::Tensor x = (place.remainder(in[2]) - corner(rows_.x)).clamp(0, width - 1);
      place = y * width + x;
    }
    return at::zeros({rows_.count(), moved.size(1), height * width}, moved.options())
        .scatter_add(2, place, moved)
        .view({rows_.count(), moved.size(1), height, width});
  }

  const Relaxed& network_;
  const Rows rows_;
  const Until until_;
  const int64_t spare_;          ///< terms for long chains of nodes
  std::vector<int> deliveries_;  ///< how often coefficients of a node were added up, the image first
  int target_ = -1;
  std::vector<std::optional<Coefficients>> waiting_;
  std::optional<Coefficients> image_;
  RowBounds bounds_;
};

/// The window of one neuron in its own map.
Window first_window(const Graph& graph, int target) {
  return graph.nodes[target].shape.size() == 3 ? Window{1, 0, 1, 1} : Window::all(1, 1);
}

}  // namespace

RowBounds backward(const Relaxed& network, int target, Coefficients coefficients, Rows rows, Until until) {
  Pass pass(network, std::move(rows), until);
  pass.deliver(target, std::move(coefficients));
  return pass.run(target);
}

RowBounds bound_neurons(const Relaxed& network, int target, const at::Tensor& places, double sign) {
  const Node& node = network.graph.nodes[target];
  const auto [channels, height, width] = size_of(network.graph, target);
  const at::Tensor channel = places.remainder(channels), pixel = places.div(channels, "floor");
  const Rows rows{pixel.div(height * width, "floor"), pixel.remainder(height * width).div(width, "floor"),
                  pixel.remainder(width)};
  const at::Tensor& weight = network.weights[target].weight;
  const Window window = first_window(network.graph, target);
  Pass pass(network, rows, Until::kImage);
  const bool conv = std::holds_alternative<Conv2d>(node.operation);
  if (!conv && !std::holds_alternative<Linear>(node.operation)) {
    const at::Tensor& like = network.box.lower;
    at::Tensor one =
        at::zeros({rows.count(), channels}, like.options()).scatter_(1, channel.unsqueeze(1), sign);
    if (node.shape.size() == 3) one = one.unsqueeze(-1).unsqueeze(-1);
    pass.deliver(target, {one, window});
    return pass.run(target);
  }
  // Rows of the weight are what a step from single neurons would give.
  const auto* kernels = packed(network);
  const at::Tensor by_channel = kernels ? (*kernels)[target].rows
                                : conv  ? weight.permute({0, 2, 3, 1}).contiguous()
                                        : weight;
  at::Tensor values = by_channel.index_select(0, channel);
  if (sign != 1) values = values * sign;
  if (conv) values = values.permute({0, 3, 1, 2});
  if (const at::Tensor& bias = network.weights[target].bias; bias.defined())
    pass.add_constant(bias.index_select(0, channel).to(at::kDouble) * sign);
  if (const at::Tensor& map = network.magnitudes[target]; network.sound) {
    const at::Tensor flat = (map.dim() == 4 ? map.permute({0, 2, 3, 1}) : map).reshape({-1});
    pass.add_error(flat.index_select(0, places).to(at::kDouble), kExtraTerms, values.scalar_type());
  }
  const int input = node.inputs[0];
  pass.deliver(input, {values, window_before(network.graph, node, input, window)});
  return pass.run(target);
}

RowCost row_cost(const Graph& graph, int target, bool neurons) {
  std::vector<std::optional<Window>> waiting(graph.nodes.size());
  std::optional<Window> image;
  const auto elements = [&](int node, const Window& window) {
    const Size map = size_of(graph, node);
    return map[0] * (window.whole() ? map[1] * map[2] : window.height * window.width);
  };
  const Size map = size_of(graph, target);
  waiting[target] = neurons ? first_window(graph, target) : Window::all(map[1], map[2]);
  RowCost cost;
  int64_t held = elements(target, *waiting[target]);
  for (int index = target; index >= 0; --index) {
    if (!waiting[index]) continue;
    const Node& node = graph.nodes[index];
    const Window window = *waiting[index];
    const int64_t here = elements(index, window);
    for (const int input : node.inputs) {
      Window next = window_before(graph, node, input, window);
      const int64_t raw = elements(input, next);
      const Size in = size_of(graph, input);
      std::optional<Window>& there = input == kImage ? image : waiting[input];
      const int64_t was = there ? elements(input, *there) : 0;
      if (outgrown(next, in)) next = Window::all(in[1], in[2]);
      there = there ? merged(*there, next, in) : next;
      const int64_t now = elements(input, *there);
      cost.peak = std::max(cost.peak, held + raw + now);
      cost.total += raw + now;
      held += now - was;
      // The step from single neurons of a convolution or a linear node only selects rows of the weight.
      const bool selected = neurons && index == target;
      if (const auto* conv = std::get_if<Conv2d>(&node.operation); conv && !selected)
        cost.macs += static_cast<double>(here) * static_cast<double>(in[0] * conv->kernel * conv->kernel);
      if (std::holds_alternative<Linear>(node.operation) && !selected)
        cost.macs += static_cast<double>(here) * static_cast<double>(in[0]);
    }
    held -= here;
  }
  return cost;
}

}  // namespace coppice
