#include "addon/read_evaluate.h"

#include "addon/read_common.h"

namespace coppice {

EvaluatePlan read_evaluate_plan(const Reader& request, const Network& network, const Dataset& dataset) {
  EvaluatePlan plan;
  plan.indices = read_indices(request["indices"], network, dataset);
  plan.batch_size = request["batchSize"].integer(1, limits::kBatchSize);
  plan.compute = read_precision(request["precision"], network);
  if (const Reader attack = request["attack"]; !attack.missing()) plan.attack = read_variant<Attack>(attack);
  plan.seed = read_seed(request["seed"]);
  if (const Reader keep = request["keepImages"]; !keep.missing()) plan.keep_images = keep.flag();
  return plan;
}

}  // namespace coppice
