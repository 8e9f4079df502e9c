#include "addon/read_spec.h"

#include <map>

namespace coppice {

Graph read_graph(const Reader& spec) {
  std::map<std::string, int> index_of{{"image", kImage}};
  std::vector<Node> nodes;
  const Reader list = spec["nodes"];
  const uint32_t count = list.length();
  for (uint32_t i = 0; i < count; ++i) {
    const Reader item = list.at(i);
    Node node;
    node.name = item["name"].text();
    node.operation = read_variant<Operation>(item, "op");
    const Reader inputs = item["inputs"];
    for (uint32_t k = 0; k < inputs.length(); ++k) {
      const auto found = index_of.find(inputs.at(k).text());
      if (found == index_of.end()) inputs.at(k).refuse("'image' or the name of an earlier node");
      node.inputs.push_back(found->second);
    }
    if (!index_of.emplace(node.name, static_cast<int>(i)).second) item["name"].refuse("unique");
    nodes.push_back(std::move(node));
  }
  const Reader input = spec["input"];
  if (input.length() != 3) input.refuse("[channels, height, width]");
  std::array<int64_t, 3> shape;
  for (uint32_t i = 0; i < 3; ++i) shape[i] = input.at(i).integer(1, limits::kSize);
  return make_graph(spec["name"].text(), shape, std::move(nodes));
}

int read_node(const Reader& name, const Graph& graph) {
  const std::string wanted = name.text();
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (graph.nodes[i].name == wanted) return static_cast<int>(i);
  name.refuse("the name of a node");
}

}  // namespace coppice
