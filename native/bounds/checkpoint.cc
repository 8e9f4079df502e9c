#include "bounds/checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <torch/custom_class.h>

namespace coppice {
namespace {

using torch::autograd::AutogradContext;

struct Work : torch::CustomClassHolder {
  variable_list known;
  Piece compute;
  std::vector<int64_t> bounds;
};

struct Checkpoint : torch::autograd::Function<Checkpoint> {
  static variable_list forward(AutogradContext* ctx, const c10::intrusive_ptr<Work>& work,
                               at::TensorList inputs) {
    ctx->save_for_backward(inputs.vec());
    ctx->saved_data["work"] = c10::IValue::make_capsule(work);
    return std::move(work->known);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto work = c10::static_intrusive_pointer_cast<Work>(ctx->saved_data["work"].toCapsule());
    const variable_list saved = ctx->get_saved_variables();
    variable_list totals(saved.size());
    const at::AutoGradMode enabled(true);
    for (size_t piece = 0; piece + 1 < work->bounds.size(); ++piece) {
      const int64_t begin = work->bounds[piece], size = work->bounds[piece + 1] - begin;
      variable_list leaves;
      for (const at::Tensor& input : saved) leaves.push_back(input.detach().requires_grad_());
      const variable_list outputs = work->compute(static_cast<int64_t>(piece), leaves);
      variable_list from, of_outputs;
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (!outputs[i].requires_grad()) continue;
        from.push_back(outputs[i]);
        of_outputs.push_back(gradients[i].narrow(0, begin, size));
      }
      if (from.empty()) continue;
      const variable_list found = torch::autograd::grad(from, leaves, of_outputs, /*retain_graph=*/false,
                                                        /*create_graph=*/false, /*allow_unused=*/true);
      for (size_t i = 0; i < found.size(); ++i)
        if (found[i].defined()) totals[i] = totals[i].defined() ? totals[i] + found[i] : found[i];
    }
    variable_list result{at::Tensor()};  // of `work`
    result.insert(result.end(), totals.begin(), totals.end());
    return result;
  }
};

}  // namespace

variable_list checkpoint(variable_list known, Piece compute, std::vector<int64_t> bounds,
                         variable_list inputs) {
  auto work = c10::make_intrusive<Work>();
  work->known = std::move(known);
  work->compute = std::move(compute);
  work->bounds = std::move(bounds);
  return Checkpoint::apply(work, at::TensorList(inputs));
}

}  // namespace coppice
