#include "bounds/packed.h"

#include <algorithm>

namespace coppice {
namespace {

/// Whether the node is a flatten of maps that only linear nodes read.
bool is_by_pixel(const Graph& graph, int index) {
  const Node& node = graph.nodes[index];
  if (!std::holds_alternative<Flatten>(node.operation)) return false;
  const int input = node.inputs[0];
  if (input != kImage && graph.nodes[input].shape.size() != 3) return false;
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& reader) {
    return std::count(reader.inputs.begin(), reader.inputs.end(), index) == 0 ||
           std::holds_alternative<Linear>(reader.operation);
  });
}

}  // namespace

Packed pack(const Graph& graph, const Weights& weights) {
  auto packed = std::make_shared<std::vector<PackedNode>>(graph.nodes.size());
  for (size_t index = 0; index < graph.nodes.size(); ++index) {
    const Node& node = graph.nodes[index];
    PackedNode& out = (*packed)[index];
    const bool conv = std::holds_alternative<Conv2d>(node.operation);
    if (!conv && !std::holds_alternative<Linear>(node.operation)) {
      out.by_pixel = is_by_pixel(graph, static_cast<int>(index));
      continue;
    }
    at::Tensor weight = weights[index].weight.detach();
    if (!weight.is_cpu() || weight.scalar_type() != at::kFloat) return nullptr;
    if (!conv && node.inputs[0] != kImage && (*packed)[node.inputs[0]].by_pixel) {
      const int maps = graph.nodes[node.inputs[0]].inputs[0];
      const std::vector<int64_t> shape = maps == kImage
                                             ? std::vector<int64_t>(graph.input.begin(), graph.input.end())
                                             : graph.nodes[maps].shape;
      weight = weight.view({-1, shape[0], shape[1] * shape[2]}).transpose(1, 2).reshape(weight.sizes());
    }
    out.rows = (conv ? weight.permute({0, 2, 3, 1}) : weight).contiguous();
    out.weight = pack_weight(conv ? weight : weight.unsqueeze(-1).unsqueeze(-1));
  }
  return packed;
}

}  // namespace coppice
