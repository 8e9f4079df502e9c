// Network specs (lib/networks/spec.ts states their form).
#pragma once
#include "addon/reader.h"
#include "graph/graph.h"

namespace coppice {

Graph read_graph(const Reader& spec);
/// The index of the node of that name.
int read_node(const Reader& name, const Graph& graph);

}  // namespace coppice
