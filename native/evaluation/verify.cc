#include "evaluation/verify.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "graph/forward.h"

namespace coppice {
namespace {

/// Margins this many times their last pass's rounding bound below zero are worth a second look: the ranges
/// inside were widened too.
constexpr double kBorder = 20;

/// Ranges, lines, magnitudes and what is computed on the way to them, for each value of a node.
constexpr int64_t kMapsPerNode = 12;

int64_t images_at_once(const Graph& graph, const VerifyPlan& plan, at::ScalarType type) {
  int64_t values = 0;
  for (const Node& node : graph.nodes) {
    int64_t count = 1;
    for (const int64_t size : node.shape) count *= size;
    values += count;
  }
  const int64_t bytes = values * kMapsPerNode * static_cast<int64_t>(c10::elementSize(type));
  return std::clamp<int64_t>(plan.bounds.memory / bytes, 1, plan.batch_size);
}

struct Least {
  at::Tensor margin, border;
};

/// The least margin of each image, and whether it is within reach of zero.
Least least(const Margins& found) {
  const auto [margin, place] = found.lower.min(1);
  const at::Tensor near = found.lower.add(found.error * kBorder).gt(0).all(1);
  return {margin, margin.le(0).logical_and(near)};
}

}  // namespace

at::ScalarType bound_type(const Network& network) {
  return network.device.is_cuda() ? at::kDouble : network.type;
}

VerifyResult verify(const Network& network, const Dataset& dataset, const VerifyPlan& plan,
                    const Interrupt& interrupt, const std::function<void(int64_t)>& report) {
  const at::NoGradGuard no_grad;
  const auto started = std::chrono::steady_clock::now();
  const at::ScalarType type = bound_type(network);
  const Folded folded = fold(network, type);
  const BoundNetwork bounded(folded.graph, folded.weights);
  std::optional<Folded> exact;
  const at::Tensor order = at::tensor(at::ArrayRef<int64_t>(plan.indices), at::kLong).to(network.device);
  const int64_t at_once = images_at_once(folded.graph, plan, type);
  VerifyResult result;

  const auto total = static_cast<int64_t>(plan.indices.size());
  for (int64_t begin = 0; begin < total; begin += at_once) {
    interrupt.check();
    const int64_t size = std::min(at_once, total - begin);
    const Batch batch =
        make_batch(dataset, order.narrow(0, begin, size), std::nullopt, RandomKey{}, network.type);
    const at::Tensor logits =
        forward(network.graph, network.weights(), batch.images, network.type, BatchNormMode::kEvaluation);
    const auto bound = [&](const BoundNetwork& net, const at::Tensor& images, const at::Tensor& labels) {
      const Range box = box_around(images, plan.box.epsilon, plan.box.clip, true);
      return margins(net, box, labels, plan.bounds, interrupt);
    };
    const Margins found = bound(bounded, batch.images.to(type), batch.labels);
    auto [margin, border] = least(found);
    result.unstable += found.unstable * static_cast<double>(size) / static_cast<double>(total);
    result.macs += found.macs;
    at::Tensor confirmed = at::full_like(border, type == at::kDouble);
    if (type != at::kDouble && border.any().item<bool>()) {
      if (!exact) exact = fold(network, at::kDouble);
      const at::Tensor some = border.nonzero().flatten();
      const Margins again =
          bound({exact->graph, exact->weights}, batch.images.index_select(0, some).to(at::kDouble),
                batch.labels.index_select(0, some));
      result.macs += again.macs;
      margin = margin.index_put({some}, std::get<0>(again.lower.min(1)));
      confirmed = border;
    }
    const auto append = [](auto& all, const at::Tensor& values) {
      const at::Tensor host = values.cpu().contiguous();
      using T = typename std::decay_t<decltype(all)>::value_type;
      all.insert(all.end(), host.const_data_ptr<T>(), host.const_data_ptr<T>() + host.numel());
    };
    const double nothing = -std::numeric_limits<double>::infinity();
    append(result.margins, at::where(margin.isfinite(), margin, at::full_like(margin, nothing)));
    append(result.confirmed, confirmed.to(at::kByte));
    append(result.predictions, logits.argmax(1).to(at::kInt));
    report(begin + size);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

}  // namespace coppice
