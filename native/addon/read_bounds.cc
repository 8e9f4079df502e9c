#include "addon/read_bounds.h"

#include "addon/read_common.h"
#include "bounds/methods.h"
#include "device/device.h"

namespace coppice {

BoxSettings read_box(const Reader& options) {
  return {options["epsilon"].number(0, 1), options["clip"].flag()};
}

BoundSettings read_bounds(const Reader& options, const Network& network, bool sound) {
  BoundSettings settings{options["method"].row_of(kBoundMethods)};
  settings.intersect = options["intersect"].flag();
  settings.sound = sound;
  const Reader memory = options["memory"];
  settings.memory = memory.missing() ? memory_budget(network.device) : memory.integer(1, int64_t{1} << 53);
  settings.iterations = options["iterations"].integer(0, limits::kIterations);
  return settings;
}

VerifyPlan read_verify_plan(const Reader& request, const Network& network, const Dataset& dataset) {
  return {read_indices(request["indices"], classifying(network), dataset),
          request["batchSize"].integer(1, limits::kBatchSize), read_box(request),
          read_bounds(request, network, true)};
}

}  // namespace coppice
