// Requests to evaluate.
#pragma once
#include "addon/reader.h"
#include "evaluation/evaluate.h"

namespace coppice {

EvaluatePlan read_evaluate_plan(const Reader& request, const Network& network, const Dataset& dataset);

}  // namespace coppice
