// Backward bound propagation: linear functions of a node's values are carried down to the image through the
// lines of the nonlinear operations between (Zhang et al., "CROWN", 2018; Wong and Kolter, 2018).
#pragma once
#include <optional>

#include "bounds/packed.h"
#include "bounds/relaxation.h"
#include "device/interrupt.h"
#include "graph/network.h"

namespace coppice {

/// A network with everything a backward pass needs to know about its nodes; entries are undefined where a
/// node has none.
struct Relaxed {
  const Graph& graph;
  Weights weights;
  Packed packed;  ///< the same weights, for passes without gradients
  Range box;
  std::vector<Range> ranges;           ///< of each node's output
  std::vector<Lines> lines;            ///< of ReLU nodes
  std::vector<PoolLines> pools;        ///< of max pool nodes
  bool sound;                          ///< whether passes bound their rounding errors
  std::vector<at::Tensor> magnitudes;  ///< of affine nodes; undefined without rounding bounds
  /// Double [images]: what numbers that vanish in one pass may amount to; or undefined.
  at::Tensor underflow;
};

/// Where a backward pass ends.
enum class Until {
  kImage,
  kNonlinear  ///< at the first nonlinear nodes, whose ranges give the bounds
};

/// Bounds of the rows' linear functions: double [rows]. `error` bounds the rounding errors of either, where
/// the pass is sound.
struct RowBounds {
  at::Tensor low, high, error;
};

/// Bounds linear functions of the outputs of node `target`. `high` is a bound only if all lines are parallel
/// and there is no max pool below.
RowBounds backward(const Relaxed& network, int target, Coefficients coefficients, Rows rows, Until until);

/// Neurons of node `target`, by their place among all its outputs in the order [image, y, x, channel]: each
/// times `sign`.
RowBounds bound_neurons(const Relaxed& network, int target, const at::Tensor& places, double sign);

/// What one row of a pass from `target` costs.
struct RowCost {
  int64_t peak = 0;   ///< coefficients held at once
  int64_t total = 0;  ///< coefficients of all steps together: what autograd keeps
  double macs = 0;    ///< multiply-accumulates
};
/// `neurons`: whether rows start as single neurons of the target, else as functions of all its outputs.
RowCost row_cost(const Graph& graph, int target, bool neurons);

}  // namespace coppice
