#include "graph/tape.h"

#include "graph/batch_norm.h"
#include "graph/convolution.h"
#include "graph/max_pool.h"

namespace coppice {
namespace {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

std::vector<int64_t> both(int64_t value) { return {value, value}; }

at::Tensor convolution_gradient(const at::Tensor& gradient, const at::Tensor& x, const Conv2d& op,
                                const at::Tensor& weight) {
  return std::get<0>(at::convolution_backward(gradient, x, weight, at::OptionalIntArrayRef(), both(op.stride),
                                              both(op.padding), both(1), false, both(0), 1,
                                              {true, false, false}));
}

/// The gradient where ReLU let the value through. Overwrites one that nobody else holds.
at::Tensor through_relu(at::Tensor gradient, const at::Tensor& value) {
  if (gradient.use_count() > 1) return at::threshold_backward(gradient, value, 0);
  at::threshold_backward_out(gradient, gradient, value, 0);
  return gradient;
}

void add_to(at::Tensor& sum, at::Tensor more) {
  if (!sum.defined())
    sum = std::move(more);
  else if (sum.use_count() > 1)
    sum = sum + more;
  else
    sum.add_(more);
}

}  // namespace

Tape::Tape(const Folded& network)
    : graph_(network.graph),
      weights_(network.weights),
      compute_(network.compute),
      scales_(graph_.nodes.size()),
      values_(graph_.nodes.size()),
      winners_(graph_.nodes.size()) {
  const auto count = static_cast<int>(graph_.nodes.size());
  const std::vector<int> readers = graph_.consumers();
  std::vector<int> sole(count, -1);
  for (int index = 0; index < count; ++index)
    for (const int from : graph_.nodes[index].inputs)
      if (from != kImage && readers[from] == 1) sole[from] = index;

  std::vector<bool> done(count);
  for (int index = 0; index < count; ++index) {
    if (done[index]) continue;
    const Step step = step_at(index, sole);
    for (int node = step.base; node != step.output; node = sole[node]) done[node] = true;
    done[step.output] = true;
    steps_.push_back(step);
    if (const auto* norm = std::get_if<BatchNorm2d>(&graph_.nodes[index].operation))
      scales_[index] = scale_and_shift(*norm, weights_[index])
                           .scale.view({-1, 1, 1})
                           .to(compute_ == at::kDouble ? at::kDouble : at::kFloat);
  }
}

Tape::Step Tape::step_at(int base, const std::vector<int>& sole_readers) const {
  Step step{.base = base, .output = base};
  // The node behind the step, if it is such an operation and reads nothing but its value.
  const auto next = [&]<class Op>(const Op*) {
    const int reader = sole_readers[step.output];
    return reader >= 0 && std::holds_alternative<Op>(graph_.nodes[reader].operation) ? reader : -1;
  };
  const Operation& operation = graph_.nodes[base].operation;
  const auto pools = [](const MaxPool2d& pool) { return pool.kernel * pool.kernel <= kPoolPlaces; };

  if (std::holds_alternative<Conv2d>(operation))
    if (const int add = next(static_cast<const Add*>(nullptr)); add >= 0) {
      const std::vector<int>& summands = graph_.nodes[add].inputs;
      const int other = summands[0] == base ? summands[1] : summands[0];
      // Only what is there already; the later of two products takes the earlier.
      if (other != kImage && other < base) step.residual = other, step.output = add;
    }
  if (std::holds_alternative<Relu>(operation)) step.relu = true;
  if (facts(operation).overwritable)
    if (const int relu = next(static_cast<const Relu*>(nullptr)); relu >= 0)
      step.relu = true, step.output = relu;
  if (const auto* own = std::get_if<MaxPool2d>(&operation); own && pools(*own)) step.pool = base;
  if (step.relu)
    if (const int behind = next(static_cast<const MaxPool2d*>(nullptr));
        behind >= 0 && pools(std::get<MaxPool2d>(graph_.nodes[behind].operation)))
      step.pool = step.output = behind;
  return step;
}

at::Tensor Tape::input(const Node& node, size_t which) const {
  const int from = node.inputs[which];
  if (from != kImage) return values_[from];
  // Pixels are normalized before they are rounded.
  return std::holds_alternative<Normalize>(node.operation) ? images_ : images_.to(compute_);
}

at::Tensor Tape::forward(const at::Tensor& images) {
  images_ = images;
  for (const Step& step : steps_) values_[step.output] = apply(step);
  const at::Tensor& logits = values_.back();
  return logits.scalar_type() == at::kBFloat16 ? logits.to(at::kFloat) : logits;
}

at::Tensor Tape::apply(const Step& step) {
  const Node& node = graph_.nodes[step.base];
  const NodeWeights& w = weights_[step.base];
  const at::Tensor x = input(node, 0);
  const bool relu = step.relu && step.pool < 0;
  at::Tensor y = std::visit(
      Rule{
          [&](const Normalize&) { return at::div(at::sub(x, w.bias), w.weight).to(compute_); },
          [&](const Conv2d& op) {
            return convolve(x, {w.weight, w.bias, op.stride, op.padding},
                            step.residual < 0 ? at::Tensor() : values_[step.residual], relu);
          },
          [&](const BatchNorm2d& op) {
            return at::batch_norm(x, w.weight, w.bias, w.mean, w.variance, false, op.momentum, op.epsilon,
                                  true);
          },
          [&](const Relu&) { return relu ? at::relu(x) : x; },
          [&](const MaxPool2d& op) {
            return step.pool == step.base ? x : at::max_pool2d(x, both(op.kernel), both(op.stride));
          },
          [&](const AveragePool2d& op) { return at::avg_pool2d(x, both(op.kernel), both(op.stride)); },
          [&](const Flatten&) { return x.contiguous().flatten(1); },
          [&](const Linear&) { return at::linear(x, w.weight, w.bias); },
          [&](const Add&) { return at::add(x, input(node, 1)); },
      },
      node.operation);
  const bool finished = std::holds_alternative<Conv2d>(node.operation) || step.base == step.output;
  if (relu && !finished) y.relu_();
  if (step.pool < 0) return y;
  Pooled pooled = max_pool(y, std::get<MaxPool2d>(graph_.nodes[step.pool].operation), step.relu);
  winners_[step.output] = std::move(pooled.winners);
  return std::move(pooled.values);
}

at::Tensor Tape::backward(const at::Tensor& seed) {
  const size_t image = graph_.nodes.size();
  std::vector<at::Tensor> gradients(image + 1);
  gradients[image - 1] = seed.to(compute_);
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    at::Tensor gradient = std::move(gradients[step->output]);
    if (gradient.defined()) pull(*step, std::move(gradient), gradients);
    values_[step->output] = winners_[step->output] = at::Tensor();
  }
  const at::Tensor found =
      gradients[image].defined() ? gradients[image].to(images_.scalar_type()) : at::zeros_like(images_);
  images_ = at::Tensor();
  return found.contiguous(kChannelsLast);
}

void Tape::pull(const Step& step, at::Tensor gradient, std::vector<at::Tensor>& gradients) const {
  const Node& node = graph_.nodes[step.base];
  const NodeWeights& w = weights_[step.base];
  const at::Tensor x = input(node, 0);
  const auto reach = [&](int from, at::Tensor more) {
    add_to(gradients[from == kImage ? graph_.nodes.size() : static_cast<size_t>(from)], std::move(more));
  };
  if (step.pool >= 0) {
    const Node& pooling = graph_.nodes[step.pool];
    const int from = pooling.inputs[0];
    std::vector<int64_t> shape{gradient.size(0)};
    const at::IntArrayRef image = from == kImage ? at::IntArrayRef(graph_.input) : graph_.nodes[from].shape;
    shape.insert(shape.end(), image.begin(), image.end());
    gradient =
        max_pool_gradient(gradient, winners_[step.output], std::get<MaxPool2d>(pooling.operation), shape);
  } else if (step.relu) {
    gradient = through_relu(std::move(gradient), values_[step.output]);
  }
  if (step.residual >= 0) reach(step.residual, gradient);

  at::Tensor before =
      std::visit(Rule{
                     [&](const Normalize&) {
                       return at::div(gradient.to(w.weight.scalar_type()), w.weight).to(x.scalar_type());
                     },
                     [&](const Conv2d& op) { return convolution_gradient(gradient, x, op, w.weight); },
                     [&](const BatchNorm2d&) {
                       return at::mul(gradient, scales_[step.base]).to(gradient.scalar_type());
                     },
                     [&](const Relu&) { return gradient; },
                     [&](const MaxPool2d& op) {
                       if (step.pool == step.base) return gradient;
                       const auto winners =
                           std::get<1>(at::max_pool2d_with_indices(x, both(op.kernel), both(op.stride)));
                       return at::max_pool2d_with_indices_backward(
                           gradient, x, both(op.kernel), both(op.stride), both(0), both(1), false, winners);
                     },
                     [&](const AveragePool2d& op) {
                       return at::avg_pool2d_backward(gradient, x, both(op.kernel), both(op.stride), both(0),
                                                      false, true, std::nullopt);
                     },
                     [&](const Flatten&) {
                       return x.dim() == 4 ? gradient.view(x.sizes()).clone(kChannelsLast) : gradient;
                     },
                     [&](const Linear&) { return at::matmul(gradient, w.weight); },
                     [&](const Add&) {
                       reach(node.inputs[1], gradient);
                       return gradient;
                     },
                 },
                 node.operation);
  reach(node.inputs[0], std::move(before));
}

}  // namespace coppice
