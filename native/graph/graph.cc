#include "graph/graph.h"

#include <algorithm>
#include <stdexcept>

#include "device/limits.h"

namespace coppice {
namespace {

using Shape = std::vector<int64_t>;

std::string text(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

[[noreturn]] void refuse(const Node& node, const std::string& why) {
  throw std::invalid_argument("node '" + node.name + "' " + why);
}

void require_image_like(const Node& node, const Shape& in) {
  if (in.size() != 3) refuse(node, "needs an input of [channels, height, width], got " + text(in));
}

int64_t window(const Node& node, int64_t size, int64_t kernel, int64_t stride, int64_t padding) {
  if (size + 2 * padding < kernel)
    refuse(node, "has a window of " + std::to_string(kernel) + " on an input of " + std::to_string(size) +
                     " pixels");
  return (size + 2 * padding - kernel) / stride + 1;
}

Shape pooled(const Node& node, const Shape& in, int64_t kernel, int64_t stride) {
  require_image_like(node, in);
  return {in[0], window(node, in[1], kernel, stride, 0), window(node, in[2], kernel, stride, 0)};
}

int64_t elements(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size <= 0 || count > limits::kElements / size)
      throw std::invalid_argument("the network has a tensor too large: " + text(shape));
    count *= size;
  }
  return count;
}

/// Appends a tensor at the end of its arena.
int lay_out(Graph& graph, int node, const char* suffix, TensorKind kind, Shape shape) {
  const int64_t size = elements(shape);
  TensorInfo info{graph.nodes[node].name + suffix, node, kind, std::move(shape), 0, size};
  int64_t& end = info.buffer() ? graph.buffer_count : graph.parameter_count;
  info.offset = end;
  end += size;
  if (end > limits::kElements) throw std::invalid_argument("the network has too many parameters");
  graph.tensors.push_back(std::move(info));
  return static_cast<int>(graph.tensors.size()) - 1;
}

}  // namespace

std::vector<int> Graph::consumers() const {
  std::vector<int> count(nodes.size(), 0);
  for (const Node& node : nodes)
    for (const int input : node.inputs)
      if (input != kImage) ++count[input];
  return count;
}

int Graph::consumers_of_image() const {
  int count = 0;
  for (const Node& node : nodes)
    count += static_cast<int>(std::count(node.inputs.begin(), node.inputs.end(), kImage));
  return count;
}

Graph make_graph(std::string name, std::array<int64_t, 3> input, std::vector<Node> nodes) {
  Graph graph{std::move(name), input, std::move(nodes), {}, 0, 0, 0};
  if (graph.nodes.empty()) throw std::invalid_argument("the network has no nodes");
  const Shape image(input.begin(), input.end());
  elements(image);

  for (int index = 0; index < static_cast<int>(graph.nodes.size()); ++index) {
    Node& node = graph.nodes[index];
    for (const int source : node.inputs)
      if (source < kImage || source >= index) refuse(node, "reads a node that does not come before it");
    const int arity = facts(node.operation).inputs;
    if (static_cast<int>(node.inputs.size()) != arity)
      refuse(node, "needs " + std::to_string(arity) + " input(s)");
    const auto shape_of = [&](int source) -> const Shape& {
      return source == kImage ? image : graph.nodes[source].shape;
    };
    const Shape in = shape_of(node.inputs[0]);

    node.shape = std::visit(
        Rule{
            [&](const Normalize& op) -> Shape {
              require_image_like(node, in);
              if (static_cast<int64_t>(op.mean.size()) != in[0] ||
                  static_cast<int64_t>(op.std.size()) != in[0])
                refuse(node, "needs one mean and one std for each of " + std::to_string(in[0]) + " channels");
              return in;
            },
            [&](const Conv2d& op) -> Shape {
              require_image_like(node, in);
              node.weight = lay_out(graph, index, ".weight", TensorKind::kWeight,
                                    {op.channels, in[0], op.kernel, op.kernel});
              if (op.bias) node.bias = lay_out(graph, index, ".bias", TensorKind::kBias, {op.channels});
              return {op.channels, window(node, in[1], op.kernel, op.stride, op.padding),
                      window(node, in[2], op.kernel, op.stride, op.padding)};
            },
            [&](const BatchNorm2d&) -> Shape {
              require_image_like(node, in);
              node.weight = lay_out(graph, index, ".weight", TensorKind::kScale, {in[0]});
              node.bias = lay_out(graph, index, ".bias", TensorKind::kShift, {in[0]});
              node.running_mean = lay_out(graph, index, ".running_mean", TensorKind::kRunningMean, {in[0]});
              node.running_variance =
                  lay_out(graph, index, ".running_var", TensorKind::kRunningVariance, {in[0]});
              return in;
            },
            [&](const Relu&) -> Shape { return in; },
            [&](const MaxPool2d& op) -> Shape { return pooled(node, in, op.kernel, op.stride); },
            [&](const AveragePool2d& op) -> Shape { return pooled(node, in, op.kernel, op.stride); },
            [&](const Flatten&) -> Shape { return {elements(in)}; },
            [&](const Linear& op) -> Shape {
              if (in.size() != 1)
                refuse(node, "needs a vector, got " + text(in) + "; put a flatten before it");
              node.weight = lay_out(graph, index, ".weight", TensorKind::kWeight, {op.features, in[0]});
              if (op.bias) node.bias = lay_out(graph, index, ".bias", TensorKind::kBias, {op.features});
              return {op.features};
            },
            [&](const Add&) -> Shape {
              const Shape& other = shape_of(node.inputs[1]);
              if (in != other) refuse(node, "adds " + text(in) + " and " + text(other));
              return in;
            },
        },
        node.operation);
    elements(node.shape);
  }
  const Node& last = graph.nodes.back();
  if (last.shape.size() != 1) refuse(last, "gives the logits and must be a vector, not " + text(last.shape));
  graph.classes = last.shape[0];
  return graph;
}

}  // namespace coppice
