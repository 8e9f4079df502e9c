// Interval bound propagation: ranges of a node's outputs from ranges of its inputs (Gowal et al., 2018).
#pragma once
#include <ATen/ATen.h>

#include "bounds/interval_kernels.h"
#include "graph/network.h"

namespace coppice {

/// Least and greatest value of every output of a node: [images, ...shape of the node].
struct Range {
  at::Tensor lower, upper;
};

/// The images' box: ε in [0,1] pixels, clipped to [0,1] or not. `outward` moves its faces by their rounding
/// error, so that it holds every point of the real box and every fp32 point that an attack may reach.
Range box_around(const at::Tensor& images, double epsilon, bool clip, bool outward);

/// Largest absolute value within the range.
at::Tensor magnitude(const Range& range);

/// Products that each output of the node, or each of its inputs' coefficients, adds up.
int64_t products_of(const Node& node, const NodeWeights& weights);

/// Range of an affine or pooling node; `sound` widens it by a bound of the rounding errors. Where
/// `magnitudes` is given, *magnitudes is set for affine nodes: the largest magnitude of what each output adds
/// up, Σ |weight|·|input| + |bias|; the rounding error is at most rounding(terms) times that.
Range interval_rule(const Node& node, const NodeWeights& weights, const std::vector<Range>& inputs,
                    bool sound, at::Tensor* magnitudes);

/// Ranges as centre ± radius, in memory of their own. What a convolution or a linear node reads has a radius
/// that was grown before, so that it covers the rounding errors of going through it.
struct Ball {
  at::Tensor centre, radius;
};

/// |weight| of each convolution and linear node; undefined for others. No gradients. As rounding bounds need
/// them they are no less than what denormal numbers lose.
std::vector<at::Tensor> sizes_of(const Graph& graph, const Weights& weights);
at::Tensor magnitude_of_weight(const NodeWeights& weights, bool sound);

/// By how much the radius grows before it goes through this convolution or linear node.
Growth growth_before(const NodeWeights& weights, bool sound);

/// The functions below record no gradients. `crossing`: how many ranges cross zero is added to it.
Ball ball_around(const Range& range, Growth growth);
/// Convolution or linear; `size` is |weight|.
Ball weighted_ball(const Node& node, const NodeWeights& weights, const at::Tensor& size, const Ball& in,
                   bool sound);
Ball rectified_ball(Ball ball, Growth growth, at::Tensor* crossing);
Range ends_of(Ball ball);

}  // namespace coppice
