#include "sparse/stages.h"

#include <algorithm>

#include "sparse/kernels.h"

namespace coppice::sparse {
namespace {

std::vector<float> to_floats(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU, at::kFloat).contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

Value value_of(const std::vector<int64_t>& shape) {
  return shape.size() == 3 ? Value{shape[0], shape[1], shape[2]} : Value{shape[0], 1, 1};
}

struct Affine {
  std::vector<float> scale, shift;
};

/// A batch norm in evaluation mode, in float64 and rounded once.
Affine affine_of(const BatchNorm2d& op, const NodeWeights& w) {
  const at::Tensor scale = w.weight.to(at::kDouble) * w.variance.to(at::kDouble).add(op.epsilon).rsqrt();
  return {to_floats(scale), to_floats(w.bias.to(at::kDouble) - w.mean.to(at::kDouble) * scale)};
}

/// The same of `normalize`.
Affine affine_of(const Normalize&, const NodeWeights& w) {
  const at::Tensor scale = w.weight.to(at::kDouble).flatten().reciprocal();
  return {to_floats(scale), to_floats(-w.bias.to(at::kDouble).flatten() * scale)};
}

class Builder {
 public:
  explicit Builder(const Folded& folded)
      : graph_(folded.graph),
        weights_(folded.weights),
        readers_(graph_.consumers()),
        value_of_node_(graph_.nodes.size(), -1),
        done_(graph_.nodes.size(), false) {
    result_.values.push_back({graph_.input[0], graph_.input[1], graph_.input[2]});
  }

  Stages build() {
    for (int index = 0; index < static_cast<int>(graph_.nodes.size()); ++index)
      if (!done_[index]) add_stage(index);
    return std::move(result_);
  }

 private:
  int value(int node) const { return node == kImage ? 0 : value_of_node_[node]; }
  const Node& node(int index) const { return graph_.nodes[index]; }

  int new_value(int index) {
    result_.values.push_back(value_of(node(index).shape));
    return static_cast<int>(result_.values.size()) - 1;
  }

  /// Whether every reader of a flatten is a linear layer, which reads maps as they lie.
  bool only_linear_readers(int index) const {
    return readers_[index] > 0 &&
           std::all_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& reader) {
             return std::count(reader.inputs.begin(), reader.inputs.end(), index) == 0 ||
                    std::holds_alternative<Linear>(reader.operation);
           });
  }

  void add_stage(int index) {
    const Node& first = node(index);
    Stage stage;
    stage.name = first.name;
    stage.input = value(first.inputs[0]);
    done_[index] = true;
    const auto product = [&](const NodeWeights& w, at::Tensor weight, int64_t stride, int64_t padding) {
      weight = weight.to(at::kCPU, at::kFloat).clone(at::MemoryFormat::Contiguous);  // an engine is a copy
      stage.node = first.name;
      if (w.bias.defined()) stage.bias = to_floats(w.bias);
      stage.bias.resize(weight.size(0) + kGroup, 0.0f);
      stage.product = Product{weight, weight.size(2), weight.size(3), stride, padding};
      Value& read = result_.values[stage.input];
      read.border = std::max(read.border, padding);
    };
    bool fusible = true, skipped = false;
    std::visit(Rule{
                   [&](const Conv2d& op) {
                     product(weights_[index], weights_[index].weight, op.stride, op.padding);
                   },
                   [&](const Linear&) {
                     const Value& read = result_.values[stage.input];
                     product(weights_[index],
                             weights_[index].weight.view({-1, read.channels, read.height, read.width}), 1, 0);
                   },
                   [&](const Flatten&) {
                     fusible = false;
                     skipped = only_linear_readers(index);
                     stage.reshape = !skipped;
                   },
                   [&](const MaxPool2d& op) {
                     stage.pool = Stage::Pool{true, op.kernel, op.stride}, fusible = false;
                   },
                   [&](const AveragePool2d& op) {
                     stage.pool = Stage::Pool{false, op.kernel, op.stride}, fusible = false;
                   },
                   [&](const Add&) { stage.residual = value(first.inputs[1]); },
                   [&](const Relu&) { stage.relu = true; },
                   [&](const BatchNorm2d& op) { set_affine(stage, affine_of(op, weights_[index])); },
                   [&](const Normalize& op) { set_affine(stage, affine_of(op, weights_[index])); },
               },
               first.operation);
    if (skipped) {
      value_of_node_[index] = stage.input;
      return;
    }
    int last = index;
    if (fusible)
      for (int next = fuse(stage, last); next != last; next = fuse(stage, last)) last = next;
    stage.name = node(last).name;
    stage.output = new_value(last);
    value_of_node_[last] = stage.output;
    result_.stages.push_back(std::move(stage));
  }

  void set_affine(Stage& stage, Affine affine) {
    stage.scale = std::move(affine.scale);
    stage.shift = std::move(affine.shift);
  }

  /// Takes a reader of node `last` into the stage and returns it, or `last` if there is none to take.
  int fuse(Stage& stage, int last) {
    for (int reader = last + 1; reader < static_cast<int>(graph_.nodes.size()); ++reader) {
      const Node& next = node(reader);
      if (done_[reader] || std::count(next.inputs.begin(), next.inputs.end(), last) != 1) continue;
      if (!take(stage, last, reader)) continue;
      done_[reader] = true;
      return reader;
    }
    return last;
  }

  /// Takes node `reader`, which reads node `last` once, into the stage if it can do it too.
  bool take(Stage& stage, int last, int reader) {
    const Node& next = node(reader);
    const bool plain = stage.scale.empty() && !stage.relu && !stage.pool;
    const auto pool = [&](bool max, int64_t kernel, int64_t stride) {
      const std::vector<int64_t>& shape = node(last).shape;
      const bool can = stage.product.has_value() && !stage.pool && readers_[last] == 1 && kernel == stride &&
                       (kernel == 2 || (kernel == 4 && stage.product->stride == 1)) &&
                       shape[1] % kernel == 0 && shape[2] % kernel == 0;
      if (can) stage.pool = Stage::Pool{max, kernel, stride};
      return can;
    };
    return std::visit(Rule{
                          [&](const Add&) {
                            const int other = next.inputs[0] == last ? next.inputs[1] : next.inputs[0];
                            const bool can = plain && stage.residual < 0 && stage.raw < 0 &&
                                             value(other) >= 0 && readers_[last] == 1;
                            if (can) stage.residual = value(other);
                            return can;
                          },
                          [&](const BatchNorm2d& op) {
                            const bool can = plain && keep_raw(stage, last);
                            if (can) set_affine(stage, affine_of(op, weights_[reader]));
                            return can;
                          },
                          [&](const Relu&) {
                            const bool can = !stage.relu && !stage.pool &&
                                             (readers_[last] == 1 || (plain && keep_raw(stage, last)));
                            if (can) stage.relu = true;
                            return can;
                          },
                          [&](const MaxPool2d& op) { return pool(true, op.kernel, op.stride); },
                          [&](const AveragePool2d& op) { return pool(false, op.kernel, op.stride); },
                          // Stages of their own.
                          [](const Normalize&) { return false; },
                          [](const Conv2d&) { return false; },
                          [](const Flatten&) { return false; },
                          [](const Linear&) { return false; },
                      },
                      next.operation);
  }

  /// Lets other readers of `last` have it as it is, if there are any; false where that place is taken.
  bool keep_raw(Stage& stage, int last) {
    if (readers_[last] == 1) return true;
    if (stage.raw >= 0 || value_of_node_[last] >= 0) return false;
    stage.raw = new_value(last);
    value_of_node_[last] = stage.raw;
    return true;
  }

  const Graph& graph_;
  const Weights& weights_;
  const std::vector<int> readers_;
  std::vector<int> value_of_node_;
  std::vector<bool> done_;
  Stages result_;
};

}  // namespace

Stages make_stages(const Folded& folded) { return Builder(folded).build(); }

Value unpooled(const Stages& stages, const Stage& stage) {
  Value shape = stages.values[stage.output];
  if (stage.pool) {
    const Value& input = stages.values[stage.input];
    if (!stage.product) return {input.channels, input.height, input.width};
    shape.height *= stage.pool->kernel;
    shape.width *= stage.pool->kernel;
  }
  return shape;
}

}  // namespace coppice::sparse
