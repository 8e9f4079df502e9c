#include "bounds/bounds.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "bounds/alpha.h"
#include "bounds/analysis.h"
#include "bounds/outward.h"
#include "graph/rounding.h"

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
  if (settings.method.optimised)
    found = with_optimised_lines(analysis, rows, sample, found, settings, interrupt);
  Margins out{found.low.view({images, others}), {}, analysis.unstable(), analysis.macs};
  if (found.error.defined()) {
    out.error = (found.error * 1.01).view({images, others});
    out.lower = lower_if_finite(out.lower - out.error);
  }
  return out;
}

/// Images whose interval bounds go through the network together: few enough to give every thread some, whose
/// maps stay in its caches, and many enough for what each piece costs. However many threads there are, so
/// that their number changes no bit.
constexpr int64_t kImagesTogether = 16;

/// Interval bounds of pieces of the batch, one to a thread: waking the others for every operation and waiting
/// for them takes a fifth of the time. Without gradients.
Margins by_pieces(const BoundNetwork& network, const Range& box, const at::Tensor& labels,
                  const BoundSettings& settings, const Interrupt& interrupt) {
  const int64_t images = labels.size(0), size = kImagesTogether;
  const int64_t count = (images + size - 1) / size;
  std::vector<Margins> pieces(count);
  at::parallel_for(0, count, 1, [&](int64_t first, int64_t last) {
    const at::NoGradGuard no_grad;
    for (int64_t piece = first; piece < last; ++piece) {
      const int64_t begin = piece * size, here = std::min(size, images - begin);
      const auto part = [&](const at::Tensor& whole) { return whole.narrow(0, begin, here); };
      pieces[piece] =
          by_one_method(network, {part(box.lower), part(box.upper)}, part(labels), settings, interrupt);
    }
  });
  Margins out;
  std::vector<at::Tensor> lower, error;
  for (int64_t piece = 0; piece < count; ++piece) {
    const Margins& of = pieces[piece];
    lower.push_back(of.lower);
    if (of.error.defined()) error.push_back(of.error);
    out.macs += of.macs;
    out.unstable += of.unstable * static_cast<double>(of.lower.size(0)) / static_cast<double>(images);
  }
  out.lower = at::cat(lower);
  if (!error.empty()) out.error = at::cat(error);
  return out;
}

}  // namespace

Margins margins(const BoundNetwork& network, const Range& box, const at::Tensor& labels,
                const BoundSettings& settings, const Interrupt& interrupt) {
  if (settings.sound) require_strict_arithmetic();
  if (!settings.method.backward && box.lower.is_cpu() && !at::GradMode::is_enabled())
    return by_pieces(network, box, labels, settings, interrupt);
  if (!settings.intersect || !settings.method.backward)
    return by_one_method(network, box, labels, settings, interrupt);
  // Lines from tighter ranges may be worse for some margins, so that the parts count as well.
  Margins best = by_one_method(network, box, labels, settings, interrupt);
  BoundSettings alone = settings;
  alone.intersect = false;
  for (const BoundMethod& method : {settings.method, kInterval}) {
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
  if (settings.sound) require_strict_arithmetic();
  const auto by = [&](const BoundSettings& chosen) {
    Analysis analysis(network, box, chosen, interrupt);
    analysis.relax(target + 1);
    const Range found = analysis.bound_node(target);
    return chosen.sound ? Range{lower_if_finite(found.lower), upper_if_finite(found.upper)} : found;
  };
  Range best = by(settings);
  if (!settings.intersect || !settings.method.backward) return best;
  BoundSettings alone = settings;
  alone.intersect = false;
  for (const BoundMethod& method : {settings.method, kInterval}) {
    alone.method = method;
    const Range part = by(alone);
    best = {at::maximum(best.lower, part.lower), at::minimum(best.upper, part.upper)};
  }
  return best;
}

}  // namespace coppice
