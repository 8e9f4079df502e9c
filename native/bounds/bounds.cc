#include "bounds/bounds.h"

#include <ATen/core/grad_mode.h>

#include "bounds/alpha.h"
#include "bounds/analysis.h"

namespace coppice {
namespace {

/// Rows e_label − e_other for each other class, in order: [images · (classes − 1), classes].
at::Tensor margin_rows(const at::Tensor& labels, int64_t classes, const at::TensorOptions& options) {
  const at::Tensor identity = at::eye(classes, options);
  const at::Tensor all = identity.index_select(0, labels).unsqueeze(1) - identity.unsqueeze(0);
  const at::Tensor other = at::arange(classes, labels.options()).unsqueeze(0).ne(labels.unsqueeze(1));
  return all.reshape({-1, classes}).index_select(0, other.flatten().nonzero().flatten());
}

Margins by_one_method(const BoundNetwork& network, const Range& box, const at::Tensor& labels,
                      const BoundSettings& settings, const Interrupt& interrupt) {
  const int64_t images = labels.size(0), others = network.graph.classes - 1;
  Analysis analysis(network, box, settings, interrupt);
  analysis.relax(static_cast<int>(network.graph.nodes.size()));
  const at::Tensor rows = margin_rows(labels, network.graph.classes, box.lower.options());
  const at::Tensor sample = at::arange(images, labels.options()).repeat_interleave(others);
  RowBounds found = analysis.bound_logits(rows, sample);
  if (settings.method == BoundMethod::kAlphaCrown)
    found = with_optimised_lines(analysis, rows, sample, found, settings, interrupt);
  Margins out{found.low.view({images, others}), {}, analysis.unstable(), analysis.macs};
  if (found.error.defined()) {
    out.error = (found.error * 1.01).view({images, others});
    out.lower = out.lower - out.error;
  }
  return out;
}

}  // namespace

Margins margins(const BoundNetwork& network, const Range& box, const at::Tensor& labels,
                const BoundSettings& settings, const Interrupt& interrupt) {
  if (!settings.intersect || settings.method == BoundMethod::kInterval)
    return by_one_method(network, box, labels, settings, interrupt);
  // Lines from tighter ranges may be worse for some margins, so that the parts count as well.
  Margins best = by_one_method(network, box, labels, settings, interrupt);
  BoundSettings alone = settings;
  alone.intersect = false;
  for (const BoundMethod method : {settings.method, BoundMethod::kInterval}) {
    alone.method = method;
    const Margins part = by_one_method(network, box, labels, alone, interrupt);
    best.lower = at::maximum(best.lower, part.lower);
    best.macs += part.macs;
  }
  return best;
}

Range node_bounds(const BoundNetwork& network, const Range& box, int target, const BoundSettings& settings,
                  const Interrupt& interrupt) {
  const at::NoGradGuard no_grad;
  const auto by = [&](const BoundSettings& chosen) {
    Analysis analysis(network, box, chosen, interrupt);
    analysis.relax(target + 1);
    return analysis.bound_node(target);
  };
  Range best = by(settings);
  if (!settings.intersect || settings.method == BoundMethod::kInterval) return best;
  BoundSettings alone = settings;
  alone.intersect = false;
  for (const BoundMethod method : {settings.method, BoundMethod::kInterval}) {
    alone.method = method;
    const Range part = by(alone);
    best = {at::maximum(best.lower, part.lower), at::minimum(best.upper, part.upper)};
  }
  return best;
}

}  // namespace coppice
