// Runs a graph: images to logits.
#pragma once
#include <ATen/ATen.h>

#include "device/group.h"
#include "graph/graph.h"
#include "graph/network.h"

namespace coppice {

/// How batch normalisation behaves during a pass.
enum class BatchNormMode {
  kEvaluation,       ///< running statistics
  kTraining,         ///< batch statistics, which also update the running ones
  kBatchStatistics,  ///< batch statistics; the running ones stay
};

/// Logits [n, classes], in fp32 at least, as losses need them. `images`: pixels in [0,1], [n, channels,
/// height, width]. `compute` is the type of activations; weights of another type are cast, through autograd.
/// Batch statistics are those of the whole batch of which the images are a `part`, which must outlive
/// backward passes.
at::Tensor forward(const Graph& graph, const Weights& weights, const at::Tensor& images,
                   at::ScalarType compute, BatchNormMode mode, const Part& part = {});

/// Same in evaluation mode, of a folded network.
at::Tensor forward(const Folded& folded, const at::Tensor& images);

}  // namespace coppice
