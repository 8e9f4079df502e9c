// Autograd that keeps nothing: the backward pass computes the forward one again, piece by piece.
#pragma once
#include <torch/csrc/autograd/custom_function.h>

#include <functional>

namespace coppice {

using torch::autograd::variable_list;

/// Computes piece number `piece` of the outputs from the inputs.
using Piece = std::function<variable_list(int64_t piece, const variable_list& inputs)>;

/// Outputs whose values are known already, as a function of `inputs`. `bounds`: where each piece begins in
/// the outputs' first dimension, and the end.
variable_list checkpoint(variable_list known, Piece compute, std::vector<int64_t> bounds,
                         variable_list inputs);

}  // namespace coppice
