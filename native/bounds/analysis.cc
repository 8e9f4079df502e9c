#include "bounds/analysis.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "bounds/checkpoint.h"
#include "bounds/outward.h"
#include "graph/rounding.h"

namespace coppice {
namespace {

/// Pieces of coefficients that stay in the CPU's caches are faster than larger ones.
constexpr int64_t kCachedBytes = 16 << 20;
/// Tensors as large as the coefficients that are held at once where they are gathered and multiplied apart.
constexpr int64_t kUnfusedCopies = 6;
/// Products with a value of a node beside those over weights: with a slope, a bias, a magnitude.
constexpr int64_t kFewProducts = 8;

at::Tensor by_pixel(const at::Tensor& map) { return map.dim() == 4 ? map.permute({0, 2, 3, 1}) : map; }

/// A map with some of its values replaced; `places` count in the order [image, y, x, channel].
at::Tensor with_values(const at::Tensor& map, const at::Tensor& places, const at::Tensor& values) {
  const at::Tensor ordered = by_pixel(map);
  const at::Tensor out =
      ordered.reshape({-1}).index_put({places}, values.to(map.scalar_type())).view(ordered.sizes());
  return map.dim() == 4 ? out.permute({0, 3, 1, 2}) : out;
}

std::vector<int64_t> cut(int64_t count, int64_t piece) {
  std::vector<int64_t> bounds{0};
  while (bounds.back() < count) bounds.push_back(std::min(count, bounds.back() + piece));
  return bounds;
}

RowBounds joined(const std::vector<RowBounds>& pieces, const at::TensorOptions& options) {
  if (pieces.empty()) {
    const at::Tensor none = at::empty({0}, options.dtype(at::kDouble));
    return {none, none, none};
  }
  if (pieces.size() == 1) return pieces[0];
  std::vector<at::Tensor> low, high, error;
  for (const RowBounds& piece : pieces) {
    low.push_back(piece.low);
    high.push_back(piece.high);
    error.push_back(piece.error);
  }
  return {at::cat(low), at::cat(high), at::cat(error)};
}

bool requires_gradients(const Weights& weights) {
  return at::GradMode::is_enabled() && std::any_of(weights.begin(), weights.end(), [](const NodeWeights& w) {
           return (w.weight.defined() && w.weight.requires_grad()) ||
                  (w.bias.defined() && w.bias.requires_grad());
         });
}

std::string bytes(int64_t count) {
  if (count >= 1 << 20) return std::to_string(count >> 20) + " MiB";
  if (count >= 1 << 10) return std::to_string(count >> 10) + " KiB";
  return std::to_string(count) + " bytes";
}

bool is_nonlinear(const Node& node) {
  return std::holds_alternative<Relu>(node.operation) || std::holds_alternative<MaxPool2d>(node.operation);
}

bool is_weighted(const Node& node) {
  return std::holds_alternative<Conv2d>(node.operation) || std::holds_alternative<Linear>(node.operation);
}

/// Whether an operation of type Reader takes the node as its (first) input.
template <class Reader>
bool is_read_by(const Graph& graph, int index) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    return node.inputs[0] == index && std::holds_alternative<Reader>(node.operation);
  });
}

/// Which values of a node need bounds of their own, if they have these: those on which lines depend.
at::Tensor matters(const Graph& graph, int index, const Range& range) {
  if (is_read_by<MaxPool2d>(graph, index)) return at::ones_like(range.lower, at::kBool);
  for (size_t reader = 0; reader < graph.nodes.size(); ++reader) {
    const Node& node = graph.nodes[reader];
    // What a max pool reads behind a ReLU is more than its slope.
    if (node.inputs[0] == index && std::holds_alternative<Relu>(node.operation) &&
        is_read_by<MaxPool2d>(graph, static_cast<int>(reader)))
      return range.upper.gt(0);
  }
  return crosses_zero(range);
}

/// Both bounds of some neurons. With lines that are not parallel, the upper ones need rows of their own.
RowBounds both_sides(const Relaxed& network, int target, const at::Tensor& places, bool two_sided) {
  RowBounds bounds = bound_neurons(network, target, places, 1);
  if (!two_sided) return bounds;
  const RowBounds other = bound_neurons(network, target, places, -1);
  return {bounds.low, -other.low, at::maximum(bounds.error, other.error)};
}

/// The tensors of a relaxed network that require gradients, in a fixed order.
std::vector<at::Tensor*> differentiable(Relaxed& network) {
  std::vector<at::Tensor*> found;
  const auto take = [&](at::Tensor& tensor) {
    if (tensor.defined() && tensor.requires_grad()) found.push_back(&tensor);
  };
  for (NodeWeights& w : network.weights) {
    take(w.weight);
    take(w.bias);
  }
  for (Lines& lines : network.lines) {
    take(lines.lower_slope);
    take(lines.upper_slope);
    take(lines.upper_intercept);
  }
  for (PoolLines& lines : network.pools) take(lines.upper);
  for (Range& range : network.ranges) {
    take(range.lower);
    take(range.upper);
  }
  return found;
}

/// The outputs of passes from `network`, recorded without keeping them: `pass` gives those of one piece.
RowBounds recorded_pass(const Relaxed& network, const RowBounds& known, const std::vector<int64_t>& bounds,
                        const std::function<RowBounds(const Relaxed&, int64_t)>& pass) {
  Relaxed original = network;
  variable_list inputs;
  for (const at::Tensor* input : differentiable(original)) inputs.push_back(*input);
  const auto compute = [original, pass](int64_t piece, const variable_list& leaves) -> variable_list {
    Relaxed copy = original;
    const std::vector<at::Tensor*> slots = differentiable(copy);
    for (size_t i = 0; i < slots.size(); ++i) *slots[i] = leaves[i];
    const RowBounds found = pass(copy, piece);
    return {found.low, found.high};
  };
  const variable_list out = checkpoint({known.low.detach(), known.high.detach()}, compute, bounds, inputs);
  return {out[0], out[1], known.error};
}

}  // namespace

Analysis::Analysis(const BoundNetwork& network, const Range& box, const BoundSettings& settings,
                   const Interrupt& interrupt)
    : relaxed{network.graph, network.weights, network.packed, box, {}, {}, {}, settings.sound, {}, {}},
      settings_(settings),
      sizes_(network.sizes),
      interrupt_(interrupt),
      backward_inside_(settings.method != BoundMethod::kInterval &&
                       settings.method != BoundMethod::kCrownIbp),
      recorded_(requires_gradients(network.weights)),
      two_sided_(settings.method != BoundMethod::kSymbolic),
      exact_(network.graph.nodes.size()),
      mixed_(network.graph.nodes.size()),
      last_(network.graph.nodes.size()),
      as_ball_(network.graph.nodes.size()),
      growth_(network.graph.nodes.size()),
      balls_(network.graph.nodes.size()),
      crossing_(at::zeros({}, box.lower.options().dtype(at::kDouble))) {
  const size_t count = network.graph.nodes.size();
  last_.back() = true;
  for (size_t index = count; index-- > 0;)
    if (last_[index] && !is_nonlinear(network.graph.nodes[index]))
      for (const int input : network.graph.nodes[index].inputs)
        if (input != kImage) last_[input] = true;
  relaxed.ranges.resize(count);
  relaxed.lines.resize(count);
  relaxed.pools.resize(count);
  relaxed.magnitudes.resize(count);
  for (const Node& node : network.graph.nodes)
    if (std::holds_alternative<MaxPool2d>(node.operation)) two_sided_ = true;
}

void Analysis::relax(int count) {
  choose_balls(count);
  for (int index = 0; index < count; ++index) {
    interrupt_.check();
    if (as_ball_[index])
      visit_ball(index);
    else
      visit(index);
    forget_read(index);
  }
}

void Analysis::choose_balls(int count) {
  const std::vector<Node>& nodes = relaxed.graph.nodes;
  std::vector<std::vector<int>> readers(count);
  for (int index = 0; index < count; ++index)
    for (const int input : nodes[index].inputs)
      if (input != kImage) readers[input].push_back(index);
  const auto each_reader = [&](int index, auto&& suits) {
    return !readers[index].empty() && std::all_of(readers[index].begin(), readers[index].end(), suits);
  };
  const auto weighs = [&](int index) { return takes_balls(index) && is_weighted(nodes[index]); };
  const auto flattens = [&](int index) { return std::holds_alternative<Flatten>(nodes[index].operation); };
  const auto rectifies = [&](int index) { return std::holds_alternative<Relu>(nodes[index].operation); };

  for (int index = count; index-- > 0;) {
    if (flattens(index))
      as_ball_[index] = each_reader(index, weighs);
    else if (rectifies(index))
      as_ball_[index] = each_reader(
          index, [&](int reader) { return weighs(reader) || (flattens(reader) && as_ball_[reader]); });
    else if (weighs(index))
      // A ReLU overwrites what it reads.
      as_ball_[index] =
          readers[index].size() == 1 && rectifies(readers[index][0]) && as_ball_[readers[index][0]];
    for (const int reader : readers[index]) {
      const Growth growth =
          weighs(reader) ? growth_before(relaxed.weights[reader], settings_.sound) : growth_[reader];
      growth_[index].relative = std::max(growth_[index].relative, growth.relative);
      growth_[index].absolute = std::max(growth_[index].absolute, growth.absolute);
    }
  }
}

void Analysis::visit_ball(int index) {
  const Node& node = relaxed.graph.nodes[index];
  const int input = node.inputs[0];
  if (is_weighted(node)) {
    balls_[index] = through(index);
  } else if (std::holds_alternative<Flatten>(node.operation)) {
    const Ball ball = ball_of(input, growth_[index]);
    balls_[index] = {ball.centre.contiguous().flatten(1), ball.radius.contiguous().flatten(1)};
  } else if (input != kImage && as_ball_[input]) {
    neurons_ += static_cast<double>(balls_[input].centre.numel());
    balls_[index] = rectified_ball(std::move(balls_[input]), growth_[index], &crossing_);
  } else {
    const Range& range = range_before(input);
    balls_[index] = ball_around({at::relu(range.lower), at::relu(range.upper)}, growth_[index]);
  }
}

Ball Analysis::through(int index) {
  const NodeWeights& weights = relaxed.weights[index];
  const Node& node = relaxed.graph.nodes[index];
  const bool known = settings_.sound && !sizes_.empty();
  return weighted_ball(node, weights, known ? sizes_[index] : magnitude_of_weight(weights, settings_.sound),
                       ball_of(node.inputs[0], growth_before(weights, settings_.sound)), settings_.sound);
}

Ball Analysis::ball_of(int input, Growth growth) const {
  return input != kImage && as_ball_[input] ? balls_[input] : ball_around(range_before(input), growth);
}

void Analysis::forget_read(int index) {
  const std::vector<Node>& nodes = relaxed.graph.nodes;
  for (const int input : nodes[index].inputs) {
    if (input == kImage || !as_ball_[input]) continue;
    const bool read_later = std::any_of(nodes.begin() + index + 1, nodes.end(), [&](const Node& node) {
      return std::count(node.inputs.begin(), node.inputs.end(), input) > 0;
    });
    if (!read_later) balls_[input] = {};
  }
}

bool Analysis::feeds_nonlinear(int index) const {
  // The range of a ReLU's output follows from that of its input.
  const bool relu = std::holds_alternative<Relu>(relaxed.graph.nodes[index].operation);
  return is_read_by<Relu>(relaxed.graph, index) || (!relu && is_read_by<MaxPool2d>(relaxed.graph, index));
}

void Analysis::visit(int index) {
  const Node& node = relaxed.graph.nodes[index];
  const int input = node.inputs[0];
  const bool mixes = is_weighted(node) || std::holds_alternative<AveragePool2d>(node.operation);
  const bool nonlinear = is_nonlinear(node);
  exact_[index] =
      !nonlinear && !std::holds_alternative<Add>(node.operation) && exact(input) && !(mixes && mixed(input));
  mixed_[index] = mixes || mixed(input);
  {
    // Interval bounds that a backward pass replaces need no gradients.
    const at::AutoGradMode mode(recorded_ && (exact_[index] || !backward_inside_ || nonlinear));
    relaxed.ranges[index] = range_of(index);
  }
  if (settings_.sound && is_passed(index)) count_underflow(index);
  if (feeds_nonlinear(index)) {
    if (backward_inside_ && !exact_[index]) refine(index);
    const Range& range = relaxed.ranges[index];
    neurons_ += static_cast<double>(range.lower.numel());
    crossing_ += crosses_zero(range).sum();
  }
}

void Analysis::count_underflow(int index) {
  const Node& node = relaxed.graph.nodes[index];
  const at::ScalarType type = relaxed.box.lower.scalar_type();
  // No value is larger than the largest; the sum over all of them is far too small to be worth a pass.
  const auto add = [&](const at::Tensor& largest, int64_t count, int64_t products) {
    const at::Tensor lost =
        (largest.to(at::kDouble) + 1) * (static_cast<double>(count) * underflow(products, type));
    relaxed.underflow = relaxed.underflow.defined() ? relaxed.underflow + lost : lost;
  };
  for (const int input : node.inputs) {
    const Range& range = range_before(input);
    const at::Tensor largest =
        at::maximum(range.lower.flatten(1).amin(1).abs(), range.upper.flatten(1).amax(1).abs());
    add(largest, range.lower[0].numel(), products_of(node, relaxed.weights[index]) + kFewProducts);
  }
  // A coefficient that is flushed loses all that its output adds up.
  if (const at::Tensor& map = relaxed.magnitudes[index]; map.defined())
    add(map.flatten(1).amax(1), map[0].numel(), kFewProducts);
}

Range Analysis::range_of(int index) {
  const Node& node = relaxed.graph.nodes[index];
  if (is_weighted(node) && takes_balls(index)) return ends_of(through(index));
  std::vector<Range> inputs;
  for (const int input : node.inputs) inputs.push_back(range_before(input));
  if (std::holds_alternative<Relu>(node.operation)) {
    if (settings_.method != BoundMethod::kInterval) {
      const LowerSlope slope =
          settings_.method == BoundMethod::kSymbolic ? LowerSlope::kParallel : LowerSlope::kAdaptive;
      relaxed.lines[index] = relu_lines(inputs[0], slope, settings_.sound, settings_.detach);
      if (backward_inside_ && !settings_.intersect) {
        // The constants of a max pool's lines depend on it.
        const at::AutoGradMode mode(at::GradMode::is_enabled() &&
                                    is_read_by<MaxPool2d>(relaxed.graph, index));
        return relu_range(inputs[0], relaxed.lines[index]);
      }
    }
  } else if (const auto* pool = std::get_if<MaxPool2d>(&node.operation)) {
    relaxed.pools[index] = max_pool_lines(*pool, inputs[0], settings_.sound);
  }
  return interval_rule(node, relaxed.weights[index], inputs, settings_.sound,
                       settings_.sound && is_passed(index) ? &relaxed.magnitudes[index] : nullptr);
}

void Analysis::refine(int index) {
  const at::NoGradGuard no_grad;
  const Range coarse{relaxed.ranges[index].lower.detach(), relaxed.ranges[index].upper.detach()};
  // A neuron that is stable by the ranges so far is stable by a backward pass too: it needs none.
  const at::Tensor asked = matters(relaxed.graph, index, coarse);
  const at::Tensor places = by_pixel(asked).reshape({-1}).nonzero().flatten();
  const RowBounds found = in_pieces(index, places);
  const auto replaced = [&](const RowBounds& by, const at::Tensor& at_places, const Range& in) {
    const Range tight = outward(by, coarse.lower.scalar_type());
    return Range{with_values(in.lower, at_places, tight.lower),
                 with_values(in.upper, at_places, tight.upper)};
  };
  Range range = replaced(found, places, coarse);
  if (settings_.intersect)
    range = {at::maximum(range.lower, coarse.lower), at::minimum(range.upper, coarse.upper)};
  if (recorded_) {
    const at::Tensor crossing = matters(relaxed.graph, index, {found.low, found.high}).nonzero().flatten();
    const at::Tensor some = places.index_select(0, crossing);
    const RowBounds known{found.low.index_select(0, crossing), found.high.index_select(0, crossing),
                          found.error};
    const at::AutoGradMode enabled(true);
    const RowBounds with_gradients = recorded(index, some, known);
    range = {with_values(range.lower, some, with_gradients.low),
             with_values(range.upper, some, with_gradients.high)};
  }
  relaxed.ranges[index] = range;
}

int64_t Analysis::rows_at_once(int target, bool neurons, bool recorded, int64_t extra) {
  const RowCost cost = row_cost(relaxed.graph, target, neurons);
  const at::Tensor& like = relaxed.box.lower;
  const int64_t elements = (recorded ? 2 * cost.total : cost.peak) + extra;
  // Where no fused kernels work, libtorch's operations make copies.
  const int64_t copies = relaxed.packed ? 1 : kUnfusedCopies;
  const int64_t each = elements * copies * static_cast<int64_t>(like.element_size());
  if (each > settings_.memory)
    throw std::invalid_argument("the memory budget of " + bytes(settings_.memory) +
                                " is too small for one neuron of node '" + relaxed.graph.nodes[target].name +
                                "', which needs " + bytes(each));
  int64_t budget = settings_.memory;
  if (like.is_cpu() && !recorded) budget = std::min(budget, std::max(kCachedBytes, 16 * each));
  return budget / each;
}

RowBounds Analysis::side_by_side(int target, bool neurons, int64_t rows,
                                 const std::function<RowBounds(int64_t begin, int64_t size)>& pass) {
  // Fused kernels go through their pieces one to a thread, without waiting for each other at every step.
  const int64_t threads = relaxed.packed ? at::get_num_threads() : 1;
  const int64_t at_once = std::max<int64_t>(1, rows_at_once(target, neurons, false) / threads);
  const std::vector<int64_t> bounds = cut(rows, std::min(at_once, (rows + threads - 1) / threads));
  std::vector<RowBounds> pieces(bounds.size() - 1);
  const auto run = [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    for (int64_t piece = begin; piece < end; ++piece) {
      interrupt_.check();
      pieces[piece] = pass(bounds[piece], bounds[piece + 1] - bounds[piece]);
    }
  };
  if (threads > 1)
    at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, run);
  else
    run(0, static_cast<int64_t>(pieces.size()));
  RowBounds found = joined(pieces, relaxed.box.lower.options());
  if (!settings_.sound) found.error = at::Tensor();
  return found;
}

RowBounds Analysis::in_pieces(int target, const at::Tensor& places) {
  const int64_t rows = places.size(0);
  macs += static_cast<double>(rows) * row_cost(relaxed.graph, target, true).macs * (two_sided_ ? 2 : 1);
  return side_by_side(target, true, rows, [&](int64_t begin, int64_t size) {
    return both_sides(relaxed, target, places.narrow(0, begin, size), two_sided_);
  });
}

RowBounds Analysis::recorded(int target, const at::Tensor& places, const RowBounds& known) {
  const std::vector<int64_t> bounds = cut(places.size(0), rows_at_once(target, true, true));
  return recorded_pass(
      relaxed, known, bounds, [=, two_sided = two_sided_](const Relaxed& network, int64_t piece) {
        const int64_t begin = bounds[piece];
        return both_sides(network, target, places.narrow(0, begin, bounds[piece + 1] - begin), two_sided);
      });
}

RowBounds Analysis::bound_logits(const at::Tensor& coefficients, const at::Tensor& sample) {
  const int target = static_cast<int>(relaxed.graph.nodes.size()) - 1;
  const Until until = settings_.method == BoundMethod::kInterval ? Until::kNonlinear : Until::kImage;
  const auto pass = [=](const Relaxed& network, int64_t begin, int64_t end) {
    const at::Tensor some = sample.narrow(0, begin, end - begin);
    const at::Tensor zero = at::zeros_like(some);
    return backward(network, target, {coefficients.narrow(0, begin, end - begin).clone(), Window::all(1, 1)},
                    {some, zero, zero}, until);
  };
  const int64_t rows = coefficients.size(0);
  const RowBounds known = side_by_side(
      target, false, rows, [&](int64_t begin, int64_t size) { return pass(relaxed, begin, begin + size); });
  macs += static_cast<double>(rows) * row_cost(relaxed.graph, target, false).macs;
  if (!recorded_) return known;
  const std::vector<int64_t> bounds = cut(rows, rows_at_once(target, false, true));
  return recorded_pass(relaxed, known, bounds, [=](const Relaxed& network, int64_t piece) {
    return pass(network, bounds[piece], bounds[piece + 1]);
  });
}

Range Analysis::bound_node(int target) {
  const Range& range = relaxed.ranges[target];
  if (settings_.method == BoundMethod::kInterval || exact_[target]) return range;
  const at::Tensor places =
      at::arange(range.lower.numel(), at::TensorOptions().dtype(at::kLong).device(range.lower.device()));
  const Range tight = outward(in_pieces(target, places), range.lower.scalar_type());
  Range out{with_values(range.lower, places, tight.lower), with_values(range.upper, places, tight.upper)};
  if (settings_.intersect) out = {at::maximum(out.lower, range.lower), at::minimum(out.upper, range.upper)};
  return out;
}

}  // namespace coppice
