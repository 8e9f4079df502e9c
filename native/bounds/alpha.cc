#include "bounds/alpha.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace coppice {
namespace {

/// Adam on slopes: step size, its decay with every step, and the usual moments (Xu et al., 2021, use 0.1 and
/// 0.98).
constexpr double kRate = 0.25, kDecay = 0.95, kBeta1 = 0.9, kBeta2 = 0.999;

/// One slope for each row and neuron of a ReLU.
struct Slopes {
  int node;
  at::Tensor value, best, first, second;
};

RowBounds pass(const Relaxed& network, const at::Tensor& rows, const at::Tensor& sample) {
  const int target = static_cast<int>(network.graph.nodes.size()) - 1;
  const at::Tensor zero = at::zeros_like(sample);
  return backward(network, target, {rows.clone(), Window::all(1, 1)}, {sample, zero, zero}, Until::kImage);
}

RowBounds optimise(const Relaxed& original, const at::Tensor& rows, const at::Tensor& sample,
                   const RowBounds& start, int64_t iterations, const Interrupt& interrupt) {
  Relaxed network = original;
  network.sound = false;
  std::vector<Slopes> all;
  const at::Tensor each = at::arange(rows.size(0), sample.options());
  for (size_t node = 0; node < network.lines.size(); ++node) {
    Lines& lines = network.lines[node];
    if (!lines.lower_slope.defined()) continue;
    const at::Tensor value = lines.lower_slope.index_select(0, sample);
    all.push_back({static_cast<int>(node), value, value, at::zeros_like(value), at::zeros_like(value)});
    lines.lower_of_row = each;
  }
  if (all.empty()) return start;
  at::Tensor best = start.low;
  for (int64_t step = 1; step <= iterations; ++step) {
    interrupt.check();
    torch::autograd::variable_list leaves;
    for (const Slopes& slopes : all) {
      leaves.push_back(slopes.value.detach().requires_grad_());
      network.lines[slopes.node].lower_slope = leaves.back();
    }
    torch::autograd::variable_list gradients;
    at::Tensor low;
    {
      const at::AutoGradMode enabled(true);
      low = pass(network, rows, sample).low;
      gradients = torch::autograd::grad({low.sum()}, leaves, {}, false, false, /*allow_unused=*/true);
    }
    low = low.detach();
    const at::Tensor better = low.gt(best);
    best = at::maximum(best, low);
    const double rate = kRate * std::pow(kDecay, step - 1);
    const double corrected1 = 1 - std::pow(kBeta1, step), corrected2 = 1 - std::pow(kBeta2, step);
    for (size_t i = 0; i < all.size(); ++i) {
      if (!gradients[i].defined()) continue;
      Slopes& s = all[i];
      std::vector<int64_t> per_row(s.value.dim(), 1);
      per_row[0] = -1;
      s.best = at::where(better.view(per_row), s.value, s.best);
      s.first.mul_(kBeta1).add_(gradients[i], 1 - kBeta1);
      s.second.mul_(kBeta2).addcmul_(gradients[i], gradients[i], 1 - kBeta2);
      const at::Tensor size = s.second.div(corrected2).sqrt_().add_(1e-8);
      // A stable neuron's lines meet: its slope stays.
      const Lines& lines = original.lines[s.node];
      const at::Tensor free = crosses_zero(lines).index_select(0, sample);
      s.value = at::where(free, (s.value + rate / corrected1 * s.first / size).clamp_(0, 1), s.value);
    }
  }
  network.sound = original.sound;
  for (const Slopes& slopes : all) network.lines[slopes.node].lower_slope = slopes.best;
  RowBounds found = pass(network, rows, sample);
  // Their rounding errors differ, so that the comparison is of what is left without them.
  const at::Tensor before = start.error.defined() ? start.low - start.error : start.low;
  const at::Tensor after = start.error.defined() ? found.low - found.error : found.low;
  const at::Tensor better = after.gt(before);
  found.low = at::where(better, found.low, start.low);
  found.error = start.error.defined() ? at::where(better, found.error, start.error) : at::Tensor();
  return found;
}

}  // namespace

RowBounds with_optimised_lines(Analysis& analysis, const at::Tensor& rows, const at::Tensor& sample,
                               const RowBounds& start, const BoundSettings& settings,
                               const Interrupt& interrupt) {
  const at::NoGradGuard no_grad;
  int64_t neurons = 0;
  for (const Lines& lines : analysis.relaxed.lines)
    if (lines.lower_slope.defined()) neurons += lines.lower_slope[0].numel();
  const int target = static_cast<int>(analysis.relaxed.graph.nodes.size()) - 1;
  const int64_t at_once = analysis.rows_at_once(target, false, true, /*extra=*/6 * neurons);
  std::vector<at::Tensor> low, error;
  for (int64_t begin = 0; begin < rows.size(0); begin += at_once) {
    const int64_t size = std::min(at_once, rows.size(0) - begin);
    const auto piece = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, begin, size) : t; };
    const RowBounds found =
        optimise(analysis.relaxed, piece(rows), piece(sample),
                 {piece(start.low), piece(start.high), piece(start.error)}, settings.iterations, interrupt);
    low.push_back(found.low);
    if (found.error.defined()) error.push_back(found.error);
  }
  analysis.macs += static_cast<double>(rows.size(0)) * row_cost(analysis.relaxed.graph, target, false).macs *
                   (3.0 * static_cast<double>(settings.iterations) + 1);
  return {at::cat(low), {}, error.empty() ? at::Tensor() : at::cat(error)};
}

}  // namespace coppice
