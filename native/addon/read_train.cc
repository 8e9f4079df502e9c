#include "addon/read_train.h"

#include "addon/read_common.h"
#include "device/device.h"

namespace coppice {
namespace {

std::vector<double> read_per_step(const Reader& array, int64_t steps, double low, double high) {
  std::vector<double> values = array.float64s();
  if (static_cast<int64_t>(values.size()) != steps)
    throw std::invalid_argument(array.path() + " must have one value for each of " + std::to_string(steps) +
                                " steps, got " + std::to_string(values.size()));
  for (const double value : values)
    if (!(value >= low && value <= high))
      throw std::invalid_argument(array.path() + " must lie between " + std::to_string(low) + " and " +
                                  std::to_string(high));
  return values;
}

}  // namespace

TrainPlan read_train_plan(const Reader& request, const Network& network, const Dataset& dataset) {
  TrainPlan plan;
  plan.order = read_indices(request["order"], classifying(network), dataset);
  plan.batch_size = request["batchSize"].integer(1, limits::kBatchSize);
  plan.objective = read_variant<Objective>(request["objective"]);
  plan.optimiser = read_variant<Optimiser>(request["optimiser"]);
  plan.learning_rates = read_per_step(request["learningRates"], plan.steps(), 0, limits::kLearningRate);
  plan.epsilon_factors = read_per_step(request["epsilonFactors"], plan.steps(), 0, 1);
  plan.clean_weights = read_per_step(request["cleanWeights"], plan.steps(), 0, limits::kLossWeight);
  plan.robust_weights = read_per_step(request["robustWeights"], plan.steps(), 0, limits::kLossWeight);
  if (const Reader shares = request["averageShares"]; !shares.missing())
    plan.average_shares = read_per_step(shares, plan.steps(), 0, 1);
  plan.steps_taken = request["stepsTaken"].integer(0, int64_t{1} << 53);
  if (const Reader augmentation = request["augmentation"]; !augmentation.missing())
    plan.augmentation =
        Augmentation{augmentation["pad"].integer(0, limits::kPad), augmentation["flip"].flag()};
  plan.compute = read_precision(request["precision"], network);
  if (const Reader smoothing = request["labelSmoothing"]; !smoothing.missing())
    plan.label_smoothing = smoothing.number(0, 1);
  plan.key = {read_seed(request["seed"]), static_cast<uint32_t>(request["epoch"].integer(0, UINT32_MAX))};
  if (const Reader devices = request["moreDevices"]; !devices.missing())
    for (uint32_t index = 0; index < devices.length(); ++index)
      plan.more_devices.push_back(usable_device(devices.at(index).text()));
  if (plan.more_devices.size() > limits::kMoreDevices)
    request["moreDevices"].refuse("at most " + std::to_string(limits::kMoreDevices) + " devices");
  const Reader learn = request["learn"];
  const std::string kind = learn["kind"].text();
  if (kind == "scores") {
    plan.learn_scores = LearnScores{learn["keep"].number(0, 1), {}};
    if (const Reader scores = learn["scores"]; !scores.missing()) {
      const at::Tensor values = scores.floats(network.type);
      if (values.numel() != network.graph.parameter_count)
        throw std::invalid_argument(scores.path() + " must have one score for each of " +
                                    std::to_string(network.graph.parameter_count) + " parameters");
      plan.learn_scores->scores = values;
    }
  } else if (kind != "weights") {
    learn["kind"].refuse("weights or scores");
  }
  return plan;
}

GradientPlan read_gradient_plan(const Reader& request, const Network& network, const Dataset& dataset) {
  const PassSettings settings{read_precision(request["precision"], network),
                              {read_seed(request["seed"]), 0},
                              1,
                              request["cleanWeight"].number(0, limits::kLossWeight),
                              request["robustWeight"].number(0, limits::kLossWeight)};
  return {read_indices(request["indices"], classifying(network), dataset),
          request["batchSize"].integer(1, limits::kBatchSize), read_variant<Objective>(request["objective"]),
          settings};
}

}  // namespace coppice
