#include "addon/read_evaluate.h"

#include "addon/read_common.h"

namespace coppice {
namespace {

EvaluatePlan read_plan(const Reader& request, const Classifying& taker, const Network* network,
                       const Dataset& dataset) {
  EvaluatePlan plan;
  plan.indices = read_indices(request["indices"], taker, dataset);
  plan.batch_size = request["batchSize"].integer(1, limits::kBatchSize);
  plan.compute = network ? read_precision(request["precision"], *network) : at::kFloat;
  if (const Reader attack = request["attack"]; !attack.missing()) {
    if (!network) throw std::invalid_argument(attack.path() + " needs the network that it is made against");
    plan.attacks = read_attacks(attack);
  }
  plan.seed = read_seed(request["seed"]);
  if (const Reader keep = request["keepImages"]; !keep.missing()) plan.keep_images = keep.flag();
  return plan;
}

}  // namespace

std::vector<Attack> read_attacks(const Reader& attack) {
  if (attack["kind"].text() != "cascade") return {read_variant<Attack>(attack)};
  const Reader parts = attack["attacks"];
  std::vector<Attack> attacks;
  for (uint32_t part = 0; part < parts.length(); ++part)
    attacks.push_back(read_variant<Attack>(parts.at(part)));
  if (attacks.empty()) parts.refuse("at least one attack");
  return attacks;
}

EvaluatePlan read_evaluate_plan(const Reader& request, const Network& network, const Dataset& dataset) {
  return read_plan(request, classifying(network), &network, dataset);
}

EvaluatePlan read_engine_plan(const Reader& request, const sparse::SparseEngine& engine,
                              const Network* network, const Dataset& dataset) {
  const Classifying taker{"the engine", engine.input(), engine.classes(), engine.device()};
  if (!network) return read_plan(request, taker, network, dataset);
  const Classifying other = classifying(*network);
  if (other.input != taker.input || other.classes != taker.classes || other.device != taker.device ||
      network->type != at::kFloat)
    throw std::invalid_argument(other.name + " is not the one that the engine was compiled from");
  return read_plan(request, taker, network, dataset);
}

}  // namespace coppice
