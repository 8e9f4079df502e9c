#include "evaluation/verify.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "device/device.h"
#include "graph/classes.h"
#include "graph/forward.h"

namespace coppice {
namespace {

/// Ranges, lines, magnitudes and what is computed on the way to them, for each value of a node.
constexpr int64_t kMapsPerNode = 12;
/// A budget that is not halved when memory runs out.
constexpr int64_t kLeastBudget = 64 << 20;

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

/// A network in one type, folded and packed.
struct Prepared {
  Prepared(const Network& of, at::ScalarType type, const BoundMethod& method)
      : folded(fold(of, type, {.for_bounds = true})), network(folded.graph, folded.weights, method) {}
  const Folded folded;
  const BoundNetwork network;
};

/// Images without a positive margin, as indices of one element, those with the greatest margin first.
std::vector<at::Tensor> nearest_first(const at::Tensor& margins) {
  const at::Tensor ordered = std::get<1>(at::where(margins.isnan(), -INFINITY, margins).sort(0, true));
  const at::Tensor unproved =
      ordered.index_select(0, margins.index_select(0, ordered).gt(0).logical_not().nonzero().flatten());
  std::vector<at::Tensor> each;
  for (int64_t i = 0; i < unproved.size(0); ++i) each.push_back(unproved.narrow(0, i, 1));
  return each;
}

}  // namespace

at::ScalarType bound_type(const Network& network, double epsilon) {
  return epsilon == 0 || network.device.is_cuda() ? at::kDouble : network.type;
}

VerifyResult verify(const Network& network, const Dataset& dataset, const VerifyPlan& plan,
                    const Interrupt& interrupt, const std::function<void(int64_t)>& report) {
  const at::NoGradGuard no_grad;
  const auto started = std::chrono::steady_clock::now();
  const at::ScalarType type = bound_type(network, plan.box.epsilon);
  BoundSettings settings = plan.bounds;
  if (plan.box.epsilon == 0) settings.method = kSymbolic;
  const Prepared prepared(network, type, settings.method);
  std::optional<Prepared> exact;
  const at::Tensor order = at::tensor(at::ArrayRef<int64_t>(plan.indices), at::kLong).to(network.device);
  int64_t at_once = images_at_once(prepared.folded.graph, plan, type);
  VerifyResult result;

  const auto total = static_cast<int64_t>(plan.indices.size());
  const auto bound = [&](int64_t begin, int64_t size) {
    const Batch batch =
        make_batch(dataset, order.narrow(0, begin, size), std::nullopt, RandomKey{}, network.type);
    const at::Tensor logits =
        forward(network.graph, network.weights(), batch.images, network.type, BatchNormMode::kEvaluation);
    const auto least = [&](const Prepared& by, const at::Tensor& images, bool sound) {
      const at::Tensor pixels = batch.images.index_select(0, images).to(by.folded.compute);
      const Range box = box_around(pixels, plan.box.epsilon, plan.box.clip, sound);
      BoundSettings chosen = settings;
      chosen.sound = sound;
      const Margins found = margins(by.network, box, batch.labels.index_select(0, images), chosen, interrupt);
      result.macs += found.macs;
      return std::pair(std::get<0>(found.lower.min(1)), found.unstable);
    };
    const at::Tensor all = at::arange(size, batch.labels.options());
    auto [margin, unstable] = least(prepared, all, true);
    at::Tensor confirmed = at::full({size}, type == at::kDouble, all.options().dtype(at::kByte));
    if (type != at::kDouble) {
      // From the image that is nearest to a proof on: while plain fp32 finds one, only rounding is in the
      // way.
      for (const at::Tensor& image : nearest_first(margin)) {
        if (least(prepared, image, false).first.item<double>() <= 0) break;
        if (!exact) exact.emplace(network, at::kDouble, settings.method);
        margin = margin.index_put({image}, least(*exact, image, true).first);
        confirmed = confirmed.index_fill(0, image, 1);
      }
    }
    const auto append = [](auto& to, const at::Tensor& values) {
      const at::Tensor host = values.cpu().contiguous();
      using T = typename std::decay_t<decltype(to)>::value_type;
      to.insert(to.end(), host.const_data_ptr<T>(), host.const_data_ptr<T>() + host.numel());
    };
    result.unstable += unstable * static_cast<double>(size) / static_cast<double>(total);
    const double nothing = -std::numeric_limits<double>::infinity();
    append(result.margins, at::where(margin.isfinite(), margin, at::full_like(margin, nothing)));
    append(result.confirmed, confirmed);
    append(result.predictions, classes_of(logits).to(at::kInt));
  };
  for (int64_t begin = 0; begin < total;) {
    interrupt.between_batches();
    const int64_t size = std::min(at_once, total - begin);
    try {
      bound(begin, size);
    } catch (const c10::OutOfMemoryError&) {
      // Others have some of the memory that the budget counts on.
      if (settings.memory < kLeastBudget) throw;
      settings.memory /= 2;
      at_once = std::max<int64_t>(1, at_once / 2);
      empty_cache();
      continue;
    }
    begin += size;
    report(begin);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

}  // namespace coppice
