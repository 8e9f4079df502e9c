#include "addon/read_spec.h"

#include <map>

namespace coppice {
namespace {

constexpr int64_t kLargestSize = 1 << 24;

Initialisation read_initialisation(const Reader& init) {
  using Kind = Initialisation::Rule;
  if (init.value().IsObject()) return {Kind::kNormal, init["normal"].number(0, 1e3)};
  const std::string rule = init.text();
  if (rule == "kaimingFanOut") return {Kind::kKaimingFanOut, 0};
  if (rule == "kaimingFanIn") return {Kind::kKaimingFanIn, 0};
  if (rule == "torch") return {Kind::kTorch, 0};
  init.refuse("kaimingFanOut, kaimingFanIn, torch or { normal: std }");
}

Operation read_operation(const Reader& node) {
  const auto size = [&](const char* key) { return node[key].integer(1, kLargestSize); };
  const std::string op = node["op"].text();
  if (op == "normalize") {
    Normalize normalize{node["mean"].numbers(), node["std"].numbers()};
    for (const double std : normalize.std)
      if (!(std > 0)) node["std"].refuse("positive numbers");
    return normalize;
  }
  if (op == "conv2d")
    return Conv2d{size("channels"),    size("kernel"),
                  size("stride"),      node["padding"].integer(0, kLargestSize),
                  node["bias"].flag(), read_initialisation(node["init"])};
  if (op == "batchNorm2d")
    return BatchNorm2d{node["epsilon"].number(1e-12, 1), node["momentum"].number(0, 1)};
  if (op == "relu") return Relu{};
  if (op == "maxPool2d") return MaxPool2d{size("kernel"), size("stride")};
  if (op == "averagePool2d") return AveragePool2d{size("kernel"), size("stride")};
  if (op == "flatten") return Flatten{};
  if (op == "linear") return Linear{size("features"), node["bias"].flag(), read_initialisation(node["init"])};
  if (op == "add") return Add{};
  node["op"].refuse("a known operation");
}

BoundMethod read_bound_method(const Reader& method) {
  const std::string name = method.text();
  if (name == "interval") return BoundMethod::kInterval;
  if (name == "crownIbp") return BoundMethod::kCrownIbp;
  if (name == "symbolic") return BoundMethod::kSymbolic;
  if (name == "crown") return BoundMethod::kCrown;
  if (name == "alphaCrown") return BoundMethod::kAlphaCrown;
  method.refuse("interval, crownIbp, symbolic, crown or alphaCrown");
}

Objective read_objective(const Reader& objective) {
  const std::string kind = objective["kind"].text();
  if (kind == "natural") return Natural{};
  if (kind == "adversarial") return Adversarial{read_attack(objective["attack"])};
  if (kind == "trades") return Trades{read_attack(objective["attack"]), objective["beta"].number(0, 1e6)};
  if (kind == "verified") {
    const BoundMethod bound = read_bound_method(objective["bound"]);
    if (bound == BoundMethod::kAlphaCrown)
      objective["bound"].refuse("interval, crownIbp, symbolic or crown");
    const std::string gradient = objective["gradient"].text();
    if (gradient != "full" && gradient != "detached") objective["gradient"].refuse("full or detached");
    return Verified{bound, objective["epsilon"].number(0, 1), objective["images"].integer(0, 1'000'000),
                    gradient == "detached"};
  }
  objective["kind"].refuse("natural, adversarial, trades or verified");
}

/// Sample indices, each within the data set.
std::vector<int64_t> read_indices(const Reader& array, const Dataset& dataset) {
  const std::vector<uint32_t> values = array.uint32s();
  const int64_t length = dataset.images.size(0);
  for (const uint32_t value : values)
    if (value >= length)
      throw std::invalid_argument(array.path() + " names sample " + std::to_string(value) +
                                  " of a data set of " + std::to_string(length));
  return {values.begin(), values.end()};
}

void require_fit(const Network& network, const Dataset& dataset) {
  const auto& input = network.graph.input;
  const auto shape = dataset.images.sizes().slice(1);
  if (shape[0] != input[0] || shape[1] != input[1] || shape[2] != input[2])
    throw std::invalid_argument(
        "the data set's images are [" + std::to_string(shape[0]) + ", " + std::to_string(shape[1]) + ", " +
        std::to_string(shape[2]) + "], the network '" + network.graph.name + "' takes [" +
        std::to_string(input[0]) + ", " + std::to_string(input[1]) + ", " + std::to_string(input[2]) + "]");
  if (dataset.classes > network.graph.classes)
    throw std::invalid_argument("the data set has " + std::to_string(dataset.classes) +
                                " classes, the network '" + network.graph.name + "' tells " +
                                std::to_string(network.graph.classes) + " apart");
  if (dataset.images.device() != network.device)
    throw std::invalid_argument("the data set is on " + dataset.images.device().str() +
                                " and the network on " + network.device.str());
}

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

uint64_t read_seed(const Reader& seed) { return static_cast<uint64_t>(seed.integer(0, int64_t{1} << 53)); }

}  // namespace

at::ScalarType read_type(const Reader& type) {
  const std::string name = type.text();
  if (name == "float32") return at::kFloat;
  if (name == "float64") return at::kDouble;
  type.refuse("float32 or float64");
}

at::ScalarType read_precision(const Reader& precision, const Network& network) {
  const std::string name = precision.text();
  if (name != "fp32" && name != "bf16" && name != "fp64") precision.refuse("fp32, bf16 or fp64");
  if ((name == "fp64") != (network.type == at::kDouble))
    throw std::invalid_argument(precision.path() +
                                ": fp64 goes with a float64 network and only with it, got " + name);
  return name == "bf16" ? at::kBFloat16 : network.type;
}

Graph read_graph(const Reader& spec) {
  std::map<std::string, int> index_of{{"image", kImage}};
  std::vector<Node> nodes;
  const Reader list = spec["nodes"];
  const uint32_t count = list.length();
  for (uint32_t i = 0; i < count; ++i) {
    const Reader item = list.at(i);
    Node node;
    node.name = item["name"].text();
    node.operation = read_operation(item);
    const Reader inputs = item["inputs"];
    for (uint32_t k = 0; k < inputs.length(); ++k) {
      const auto found = index_of.find(inputs.at(k).text());
      if (found == index_of.end()) inputs.at(k).refuse("'image' or the name of an earlier node");
      node.inputs.push_back(found->second);
    }
    if (!index_of.emplace(node.name, static_cast<int>(i)).second) item["name"].refuse("unique");
    nodes.push_back(std::move(node));
  }
  const Reader input = spec["input"];
  if (input.length() != 3) input.refuse("[channels, height, width]");
  std::array<int64_t, 3> shape;
  for (uint32_t i = 0; i < 3; ++i) shape[i] = input.at(i).integer(1, kLargestSize);
  return make_graph(spec["name"].text(), shape, std::move(nodes));
}

Attack read_attack(const Reader& attack) {
  Attack out{attack["epsilon"].number(0, 1), attack["stepSize"].number(0, 1),
             attack["steps"].integer(0, 1'000'000), attack["restarts"].integer(1, 100'000), Start::kNone};
  const std::string start = attack["start"].text();
  if (start == "uniform")
    out.start = Start::kUniform;
  else if (start == "gaussian")
    out.start = Start::kGaussian;
  else if (start != "none")
    attack["start"].refuse("uniform, gaussian or none");
  return out;
}

Optimiser read_optimiser(const Reader& optimiser) {
  const double decay = optimiser["weightDecay"].number(0, 1e3);
  const std::string kind = optimiser["kind"].text();
  if (kind == "sgd") return Sgd{optimiser["momentum"].number(0, 1), decay, optimiser["nesterov"].flag()};
  if (kind == "adam")
    return Adam{optimiser["beta1"].number(0, 0.9999999), optimiser["beta2"].number(0, 0.9999999),
                optimiser["epsilon"].number(1e-30, 1), decay};
  optimiser["kind"].refuse("sgd or adam");
}

TrainPlan read_train_plan(const Reader& request, const Network& network, const Dataset& dataset) {
  require_fit(network, dataset);
  TrainPlan plan;
  plan.order = read_indices(request["order"], dataset);
  plan.batch_size = request["batchSize"].integer(1, kLargestSize);
  plan.objective = read_objective(request["objective"]);
  plan.optimiser = read_optimiser(request["optimiser"]);
  plan.learning_rates = read_per_step(request["learningRates"], plan.steps(), 0, 1e6);
  plan.epsilon_factors = read_per_step(request["epsilonFactors"], plan.steps(), 0, 1);
  plan.clean_weights = read_per_step(request["cleanWeights"], plan.steps(), 0, 1e6);
  plan.robust_weights = read_per_step(request["robustWeights"], plan.steps(), 0, 1e6);
  plan.steps_taken = request["stepsTaken"].integer(0, int64_t{1} << 53);
  if (const Reader augmentation = request["augmentation"]; !augmentation.missing())
    plan.augmentation = Augmentation{augmentation["pad"].integer(0, 1024), augmentation["flip"].flag()};
  plan.compute = read_precision(request["precision"], network);
  plan.key = {read_seed(request["seed"]), static_cast<uint32_t>(request["epoch"].integer(0, UINT32_MAX))};
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

BoxSettings read_box(const Reader& options) {
  return {options["epsilon"].number(0, 1), options["clip"].flag()};
}

BoundSettings read_bounds(const Reader& options, bool sound) {
  BoundSettings settings{read_bound_method(options["method"])};
  settings.intersect = options["intersect"].flag();
  settings.sound = sound;
  settings.memory = options["memory"].integer(1, int64_t{1} << 53);
  settings.iterations = options["iterations"].integer(0, 1'000'000);
  return settings;
}

int read_node(const Reader& name, const Graph& graph) {
  const std::string wanted = name.text();
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (graph.nodes[i].name == wanted) return static_cast<int>(i);
  name.refuse("the name of a node");
}

VerifyPlan read_verify_plan(const Reader& request, const Network& network, const Dataset& dataset) {
  require_fit(network, dataset);
  return {read_indices(request["indices"], dataset), request["batchSize"].integer(1, kLargestSize),
          read_box(request), read_bounds(request, true)};
}

EvaluatePlan read_evaluate_plan(const Reader& request, const Network& network, const Dataset& dataset) {
  require_fit(network, dataset);
  EvaluatePlan plan;
  plan.indices = read_indices(request["indices"], dataset);
  plan.batch_size = request["batchSize"].integer(1, kLargestSize);
  plan.compute = read_precision(request["precision"], network);
  if (const Reader attack = request["attack"]; !attack.missing()) plan.attack = read_attack(attack);
  plan.seed = read_seed(request["seed"]);
  if (const Reader keep = request["keepImages"]; !keep.missing()) plan.keep_images = keep.flag();
  return plan;
}

}  // namespace coppice
