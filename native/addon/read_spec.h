// Network specs and requests from JavaScript, as native values (bindings/native.ts states their form).
#pragma once
#include "addon/reader.h"
#include "attack/pgd.h"
#include "evaluation/evaluate.h"
#include "evaluation/verify.h"
#include "graph/graph.h"
#include "train/loop.h"

namespace coppice {

Graph read_graph(const Reader& spec);
at::ScalarType read_type(const Reader& type);
/// The type of activations; checks that it goes with the network's.
at::ScalarType read_precision(const Reader& precision, const Network& network);
Attack read_attack(const Reader& attack);
Optimiser read_optimiser(const Reader& optimiser);
TrainPlan read_train_plan(const Reader& request, const Network& network, const Dataset& dataset);
BoxSettings read_box(const Reader& options);
BoundSettings read_bounds(const Reader& options, bool sound);
/// The index of the node of that name.
int read_node(const Reader& name, const Graph& graph);
VerifyPlan read_verify_plan(const Reader& request, const Network& network, const Dataset& dataset);
EvaluatePlan read_evaluate_plan(const Reader& request, const Network& network, const Dataset& dataset);

}  // namespace coppice
