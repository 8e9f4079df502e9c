#include "graph/forward.h"

#include "graph/max_pool.h"
#include "graph/shared_batch_norm.h"

namespace coppice {
namespace {

at::Tensor cast(const at::Tensor& tensor, at::ScalarType type) {
  return tensor.defined() ? tensor.to(type) : tensor;
}

at::Tensor batch_norm(const BatchNorm2d& op, const NodeWeights& w, const at::Tensor& x, BatchNormMode mode,
                      const Part& part) {
  const bool batch_statistics = mode != BatchNormMode::kEvaluation;
  const bool running = mode != BatchNormMode::kBatchStatistics;
  // Its variance would be 0/0, in the running statistics too, while the loss stays finite.
  const int64_t images = part.whole() ? x.size(0) : part.total;
  if (batch_statistics && images * x.size(2) * x.size(3) == 1)
    throw std::invalid_argument(
        "batch norm in training needs more than one value per channel; use larger batches");
  if (batch_statistics && !part.whole())
    return shared_batch_norm(
        x, w.weight, w.bias,
        {running ? w.mean : at::Tensor(), running ? w.variance : at::Tensor(), op.momentum}, op.epsilon,
        part);
  return at::batch_norm(x, w.weight, w.bias, running ? w.mean : at::Tensor(),
                        running ? w.variance : at::Tensor(), batch_statistics, op.momentum, op.epsilon,
                        /*cudnn_enabled=*/true);
}

}  // namespace

at::Tensor forward(const Graph& graph, const Weights& weights, const at::Tensor& images,
                   at::ScalarType compute, BatchNormMode mode, const Part& part) {
  const std::vector<int> readers = graph.consumers();
  std::vector<int> unread = readers;
  std::vector<at::Tensor> values(graph.nodes.size());
  at::Tensor rounded;  // pixels, where a node reads them that does not normalize

  for (size_t index = 0; index < graph.nodes.size(); ++index) {
    const Node& node = graph.nodes[index];
    const NodeWeights& w = weights[index];
    const auto input = [&](size_t which) -> const at::Tensor& {
      if (node.inputs[which] != kImage) return values[node.inputs[which]];
      // Rounded to bf16 first, pixels near 1 would lie half a step of an attack apart.
      if (std::holds_alternative<Normalize>(node.operation)) return images;
      if (!rounded.defined()) rounded = images.to(compute);
      return rounded;
    };
    const at::Tensor& x = input(0);

    values[index] = std::visit(
        Rule{
            [&](const Normalize&) { return at::div(at::sub(x, w.bias), w.weight).to(compute); },
            [&](const Conv2d& op) {
              return at::conv2d(x, cast(w.weight, compute), cast(w.bias, compute), op.stride, op.padding);
            },
            [&](const BatchNorm2d& op) { return batch_norm(op, w, x, mode, part); },
            [&](const Relu&) {
              const int source = node.inputs[0];
              const bool overwrite = source != kImage && readers[source] == 1 &&
                                     facts(graph.nodes[source].operation).overwritable;
              return overwrite ? at::relu_(values[source]) : at::relu(x);
            },
            [&](const MaxPool2d& op) { return differentiable_max_pool(x, op); },
            [&](const AveragePool2d& op) { return at::avg_pool2d(x, op.kernel, op.stride); },
            [&](const Flatten&) { return x.contiguous().flatten(1); },
            [&](const Linear&) { return at::linear(x, cast(w.weight, compute), cast(w.bias, compute)); },
            [&](const Add&) { return at::add(x, input(1)); },
        },
        node.operation);

    for (const int source : node.inputs)
      if (source != kImage && --unread[source] == 0) values[source] = at::Tensor();
  }
  const at::Tensor& logits = values.back();
  return logits.scalar_type() == at::kBFloat16 ? logits.to(at::kFloat) : logits;
}

at::Tensor forward(const Folded& folded, const at::Tensor& images) {
  return forward(folded.graph, folded.weights, images, folded.compute, BatchNormMode::kEvaluation);
}

}  // namespace coppice
