// Requests to evaluate.
#pragma once
#include <vector>

#include "addon/reader.h"
#include "evaluation/evaluate.h"
#include "sparse/engine.h"

namespace coppice {

/// An attack, or those of a cascade.
std::vector<Attack> read_attacks(const Reader& attack);

EvaluatePlan read_evaluate_plan(const Reader& request, const Network& network, const Dataset& dataset);

/// Of an engine, and the network that it was compiled from, or null; without one there is no attack.
EvaluatePlan read_engine_plan(const Reader& request, const sparse::SparseEngine& engine,
                              const Network* network, const Dataset& dataset);

}  // namespace coppice
