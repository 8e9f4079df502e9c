// A network as a list of typed nodes in topological order, with inferred shapes and the layout of its
// tensors.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/operation.h"

namespace coppice {

/// Index of the network's input among node inputs.
inline constexpr int kImage = -1;

struct Node {
  std::string name;
  Operation operation;
  std::vector<int> inputs;     ///< node indices, or kImage
  std::vector<int64_t> shape;  ///< of the output, without the batch: [channels, height, width] or [features]
  int weight = -1, bias = -1;  ///< indices into Graph::tensors, or -1
  int running_mean = -1, running_variance = -1;
};

enum class TensorKind { kWeight, kBias, kScale, kShift, kRunningMean, kRunningVariance };

/// One tensor and its place in a flat arena.
struct TensorInfo {
  std::string name;
  int node;
  TensorKind kind;
  std::vector<int64_t> shape;
  int64_t offset;
  int64_t size;
  bool buffer() const { return kind == TensorKind::kRunningMean || kind == TensorKind::kRunningVariance; }
  bool prunable() const { return kind == TensorKind::kWeight; }
};

struct Graph {
  std::string name;
  std::array<int64_t, 3> input;  ///< [channels, height, width]
  std::vector<Node> nodes;       ///< the last one gives the logits
  std::vector<TensorInfo> tensors;
  int64_t parameter_count = 0, buffer_count = 0;
  int64_t classes = 0;
  /// How many nodes read each node's output.
  std::vector<int> consumers() const;
  /// How many nodes read the image.
  int consumers_of_image() const;
};

/// Infers shapes and lays out the tensors of nodes whose name, operation and inputs are set.
/// Throws std::invalid_argument naming the node whose input does not fit.
Graph make_graph(std::string name, std::array<int64_t, 3> input, std::vector<Node> nodes);

}  // namespace coppice
