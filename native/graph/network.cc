#include "graph/network.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "device/philox.h"
#include "graph/batch_norm.h"
#include "graph/rounding.h"

namespace coppice {
namespace {

/// Fills `out` with the rule's distribution for a weight of `shape`; `bias` follows only the rule `torch`.
void draw(at::Tensor out, const std::vector<int64_t>& weight_shape, const Initialisation& init, bool bias,
          uint64_t seed, uint32_t tensor) {
  using Kind = Initialisation::Rule;
  int64_t receptive = 1;
  for (size_t i = 2; i < weight_shape.size(); ++i) receptive *= weight_shape[i];
  const double fan_out = static_cast<double>(weight_shape[0] * receptive);
  const double fan_in = static_cast<double>(weight_shape[1] * receptive);
  if (bias && init.rule != Kind::kTorch) {
    out.zero_();
    return;
  }
  const bool uniform = init.rule == Kind::kTorch;
  const double scale = uniform                             ? 1.0 / std::sqrt(fan_in)
                       : init.rule == Kind::kKaimingFanOut ? std::sqrt(2.0 / fan_out)
                       : init.rule == Kind::kKaimingFanIn  ? std::sqrt(2.0 / fan_in)
                                                           : init.std;
  at::Tensor host = at::empty(out.sizes(), at::kFloat);
  float* data = host.data_ptr<float>();
  const int64_t size = host.numel();
  for (int64_t i = 0; i < size; i += 4) {
    const Random4 bits = philox(seed, static_cast<uint32_t>(i / 4), static_cast<uint32_t>((i / 4) >> 32),
                                tensor, static_cast<uint32_t>(Purpose::kInitialise));
    float numbers[4];
    if (uniform) {
      for (int lane = 0; lane < 4; ++lane) numbers[lane] = 2.0f * to_unit(bits.v[lane]) - 1.0f;
    } else {
      to_normal(bits.v[0], bits.v[1], numbers[0], numbers[1]);
      to_normal(bits.v[2], bits.v[3], numbers[2], numbers[3]);
    }
    for (int lane = 0; lane < 4 && i + lane < size; ++lane)
      data[i + lane] = static_cast<float>(scale) * numbers[lane];
  }
  out.copy_(host);
}

Initialisation initialisation(const Operation& operation) {
  return std::visit(
      [](const auto& op) -> Initialisation {
        if constexpr (facts_of<decltype(op)>.numbers == Numbers::kWeight)
          return op.init;
        else
          return {};
      },
      operation);
}

/// A tensor of its own autograd history over the arena's memory, which it keeps alive.
at::Tensor leaf(const at::Tensor& arena, const TensorInfo& info) {
  const auto keep = arena;
  auto* data = static_cast<char*>(arena.data_ptr()) + info.offset * arena.element_size();
  // With the device named, libtorch does not ask the driver whose memory it is.
  return at::from_blob(
      data, info.shape, [keep](void*) {}, arena.options(), arena.device());
}

/// Numbers of a node, [n, 1, 1], in the network's type. Throws std::invalid_argument where that cannot hold
/// them.
at::Tensor constant(const Node& node, const char* name, const std::vector<double>& numbers,
                    const at::TensorOptions& options) {
  const bool is_double = options.dtype() == at::kDouble;
  const double least = is_double ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min(),
               most = is_double ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  for (const double number : numbers)
    if (number != 0 && !(std::abs(number) >= least && std::abs(number) <= most))
      throw std::invalid_argument("node '" + node.name + "' has a " + name + " that is too " +
                                  (std::abs(number) < least ? "small" : "large") + " for " +
                                  (is_double ? "float64" : "float32"));
  return at::tensor(at::ArrayRef<double>(numbers), at::kDouble).to(options).view({-1, 1, 1});
}

/// The constants of a node that has some, as weight and bias.
NodeWeights constants_of(const Node& node, const at::TensorOptions& options) {
  return std::visit(
      [&](const auto& op) -> NodeWeights {
        NodeWeights constants;
        if constexpr (facts_of<decltype(op)>.numbers == Numbers::kConstants) {
          constants.weight = constant(node, "std", op.std, options);
          constants.bias = constant(node, "mean", op.mean, options);
        }
        return constants;
      },
      node.operation);
}

/// A convolution followed by a batch norm, in float64.
void fold_into(NodeWeights& folded, const NodeWeights& conv, const ScaleAndShift& norm) {
  const at::Tensor weight = conv.weight.to(at::kDouble);
  folded.weight = weight * norm.scale.view({-1, 1, 1, 1});
  folded.bias = norm.shift;
  if (conv.bias.defined()) folded.bias = norm.shift + conv.bias.to(at::kDouble) * norm.scale;
}

/// What rounding bounds need of it besides.
void fold_sizes_into(NodeWeights& folded, const NodeWeights& conv, const BatchNormSizes& sizes,
                     at::ScalarType compute) {
  at::Tensor cancelled = sizes.shift;
  if (conv.bias.defined()) cancelled = cancelled + conv.bias.to(at::kDouble).abs() * sizes.scale;
  folded.cancelled = (cancelled * cancellation(compute)).to(compute);
  // What the scale lost in float64, each weight multiplies.
  folded.least = (conv.weight.to(at::kDouble).abs().amax({1, 2, 3}, true) * least_size(at::kDouble))
                     .clamp_min(least_size(compute))
                     .to(compute);
}

}  // namespace

Network::Network(Graph graph_, at::Device device_, at::ScalarType type_)
    : graph(std::move(graph_)), device(device_), type(type_) {
  const auto options = at::TensorOptions().device(device).dtype(type);
  parameters = at::zeros({graph.parameter_count}, options);
  gradients = at::zeros({graph.parameter_count}, options);
  buffers = at::zeros({graph.buffer_count}, options);
  mask = at::ones({graph.parameter_count}, options.dtype(at::kByte));
  for (const TensorInfo& info : graph.tensors)
    if (info.kind == TensorKind::kRunningVariance) view(buffers, info).fill_(1);

  for (const Node& node : graph.nodes) constants.push_back(constants_of(node, options));
}

at::Tensor Network::view(const at::Tensor& arena, const TensorInfo& info) const {
  return arena.narrow(0, info.offset, info.size).view(info.shape);
}

Weights Network::weights() const {
  Weights all = constants;
  const auto of = [&](int tensor) {
    if (tensor < 0) return at::Tensor();
    const TensorInfo& info = graph.tensors[tensor];
    return view(info.buffer() ? buffers : parameters, info);
  };
  for (size_t i = 0; i < all.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (facts(node.operation).numbers != Numbers::kConstants)
      all[i] = {of(node.weight), of(node.bias), of(node.running_mean), of(node.running_variance), {}, {}};
  }
  return all;
}

Weights Network::trainable_weights() const {
  Weights all = weights();
  const auto make_leaf = [&](at::Tensor& tensor, int index) {
    if (index < 0) return;
    tensor = leaf(parameters, graph.tensors[index]).requires_grad_();
    tensor.mutable_grad() = leaf(gradients, graph.tensors[index]);
  };
  for (size_t i = 0; i < all.size(); ++i) {
    make_leaf(all[i].weight, graph.nodes[i].weight);
    make_leaf(all[i].bias, graph.nodes[i].bias);
  }
  return all;
}

void Network::initialise(uint64_t seed) {
  mask.fill_(1);
  reset_moments();
  for (size_t index = 0; index < graph.tensors.size(); ++index) {
    const TensorInfo& info = graph.tensors[index];
    const Node& node = graph.nodes[info.node];
    at::Tensor out = view(info.buffer() ? buffers : parameters, info);
    switch (info.kind) {
      case TensorKind::kWeight:
      case TensorKind::kBias:
        draw(out, graph.tensors[node.weight].shape, initialisation(node.operation),
             info.kind == TensorKind::kBias, seed, static_cast<uint32_t>(index));
        break;
      case TensorKind::kScale:
      case TensorKind::kRunningVariance:
        out.fill_(1);
        break;
      case TensorKind::kShift:
      case TensorKind::kRunningMean:
        out.zero_();
        break;
    }
  }
}

void Network::reset_moments() {
  for (at::Tensor* arena : {&moment1, &moment2, &average})
    if (arena->defined()) arena->zero_();
}

void Network::enforce_mask() {
  const auto pruned = mask.eq(0);
  parameters.masked_fill_(pruned, 0);
  for (at::Tensor* arena : {&moment1, &moment2, &average})
    if (arena->defined()) arena->masked_fill_(pruned, 0);
}

int64_t Network::bytes() const {
  int64_t total = 0;
  for (const at::Tensor& arena : {parameters, gradients, buffers, moment1, moment2, average, mask})
    if (arena.defined()) total += static_cast<int64_t>(arena.nbytes());
  return total;
}

Folded fold(const Network& network, at::ScalarType compute, const FoldOptions& options) {
  const Graph& graph = network.graph;
  const Weights weights = network.weights();
  const std::vector<int> consumers = graph.consumers();
  Folded folded;
  folded.compute = compute;
  folded.graph.name = graph.name;
  folded.graph.input = graph.input;
  folded.graph.classes = graph.classes;
  std::vector<int> renamed(graph.nodes.size());

  for (size_t index = 0; index < graph.nodes.size(); ++index) {
    const Node& node = graph.nodes[index];
    const int source = node.inputs[0];
    const auto* norm = std::get_if<BatchNorm2d>(&node.operation);
    if (norm && options.batch_norm && source != kImage && consumers[source] == 1 &&
        std::holds_alternative<Conv2d>(graph.nodes[source].operation)) {
      NodeWeights& into = folded.weights[renamed[source]];
      const ScaleAndShift by = scale_and_shift(*norm, weights[index]);
      fold_into(into, weights[source], by);
      if (options.for_bounds)
        fold_sizes_into(into, weights[source], sizes_behind(by, weights[index]), compute);
      renamed[index] = renamed[source];
      continue;
    }
    renamed[index] = static_cast<int>(folded.graph.nodes.size());
    Node copy = node;
    for (int& input : copy.inputs)
      if (input != kImage) input = renamed[input];
    folded.graph.nodes.push_back(std::move(copy));
    folded.weights.push_back(weights[index]);
  }

  for (size_t index = 0; index < folded.weights.size(); ++index) {
    // Batch norms that stay keep fp32 statistics and affine: libtorch mixes them with bf16 activations.
    const Operation& operation = folded.graph.nodes[index].operation;
    if (std::holds_alternative<BatchNorm2d>(operation)) continue;
    // Pixels are normalized before they are rounded.
    if (std::holds_alternative<Normalize>(operation) && compute == at::kBFloat16) continue;
    NodeWeights& w = folded.weights[index];
    if (w.weight.defined()) {
      w.weight = w.weight.to(compute);
      if (w.weight.dim() == 4) w.weight = w.weight.contiguous(at::MemoryFormat::ChannelsLast);
    }
    if (w.bias.defined()) w.bias = w.bias.to(compute);
  }
  return folded;
}

}  // namespace coppice
