#include "evaluation/evaluate.h"

#include <ATen/core/grad_mode.h>

#include <chrono>

#include "evaluation/classes.h"
#include "graph/forward.h"

namespace coppice {
namespace {

struct Judged {
  at::Tensor losses, classes;
};

Judged judge(const at::Tensor& logits, const at::Tensor& labels) {
  return {cross_entropies(logits, labels), classes_of(logits)};
}

at::Tensor logits_of(const Network& network, const at::Tensor& images, at::ScalarType compute) {
  return forward(network.graph, network.weights(), images, compute, BatchNormMode::kEvaluation);
}

void append(std::vector<int32_t>& all, const at::Tensor& classes) {
  const at::Tensor values = classes.to(at::kInt).cpu().contiguous();
  const auto* data = values.const_data_ptr<int32_t>();
  all.insert(all.end(), data, data + values.numel());
}

void append(Predictions& all, const at::Tensor& losses, const at::Tensor& classes) {
  append(all.classes, classes);
  const at::Tensor values = losses.to(at::kFloat).cpu().contiguous();
  const auto* data = values.const_data_ptr<float>();
  all.losses.insert(all.losses.end(), data, data + values.numel());
}

void append(Predictions& all, const at::Tensor& logits, const Batch& batch) {
  const auto [losses, classes] = judge(logits, batch.labels);
  append(all, losses, classes);
}

/// What an attack on a sample depends on besides the network: not on the batch that it is in.
RandomKey key_of(const EvaluatePlan& plan) { return {plan.seed, 0}; }

/// Gathers one batch of the plan's samples after another, in `type` on `device`.
void for_batches(const Dataset& dataset, const EvaluatePlan& plan, at::Device device, at::ScalarType type,
                 const Interrupt& interrupt, const std::function<void(int64_t)>& report,
                 const std::function<void(const Batch&)>& body) {
  const at::Tensor order = at::tensor(at::ArrayRef<int64_t>(plan.indices), at::kLong).to(device);
  const int64_t total = order.size(0);
  for (int64_t begin = 0; begin < total; begin += plan.batch_size) {
    interrupt.between_batches();
    const int64_t size = std::min(plan.batch_size, total - begin);
    body(make_batch(dataset, order.narrow(0, begin, size), std::nullopt, key_of(plan), type));
    report(begin + size);
  }
}

}  // namespace

AttackResult strongest(const Network& network, const Folded& attacked, const Batch& batch,
                       const Attack& attack, RandomKey key, const std::optional<at::Tensor>& start,
                       const Interrupt& interrupt) {
  const Target target{attacked, batch, key, interrupt};
  AttackResult best;
  for (int64_t attempt = 0; attempt < attempts(attack); ++attempt) {
    const at::Tensor images = search(attack, target, static_cast<uint32_t>(attempt), start);
    const Judged judged = judge(logits_of(network, images, attacked.compute), batch.labels);
    if (attempt == 0) {
      best = {images, judged.losses, judged.classes};
      continue;
    }
    const at::Tensor was_broken = best.classes.ne(batch.labels), is_broken = judged.classes.ne(batch.labels);
    const at::Tensor better =
        is_broken.logical_and(was_broken.logical_not())
            .logical_or(is_broken.eq(was_broken).logical_and(judged.losses.gt(best.losses)));
    best.images = at::where(better.view({-1, 1, 1, 1}), images, best.images);
    best.losses = at::where(better, judged.losses, best.losses);
    best.classes = at::where(better, judged.classes, best.classes);
  }
  return best;
}

EvaluateResult evaluate(const Network& network, const Dataset& dataset, const EvaluatePlan& plan,
                        const Interrupt& interrupt, const std::function<void(int64_t)>& report) {
  const at::NoGradGuard no_grad;
  const auto started = std::chrono::steady_clock::now();
  const Folded attacked = fold(network, plan.compute);
  EvaluateResult result;
  if (plan.attack) result.adversarial.emplace();
  std::vector<at::Tensor> images, examples;
  for_batches(dataset, plan, network.device, network.type, interrupt, report, [&](const Batch& batch) {
    append(result.benign, logits_of(network, batch.images, plan.compute), batch);
    if (plan.keep_images) images.push_back(batch.images);
    if (!plan.attack) return;
    const AttackResult found =
        strongest(network, attacked, batch, *plan.attack, key_of(plan), std::nullopt, interrupt);
    append(*result.adversarial, found.losses, found.classes);
    if (plan.keep_images) examples.push_back(found.images);
  });
  if (!images.empty()) result.images = at::cat(images).cpu();
  if (!examples.empty()) result.adversarial_images = at::cat(examples).cpu();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

EngineResult evaluate_engine(const Classifier& engine, at::Device device, const Network* network,
                             const Dataset& dataset, const EvaluatePlan& plan, const Interrupt& interrupt,
                             const std::function<void(int64_t)>& report) {
  const at::NoGradGuard no_grad;
  EngineResult result;
  std::optional<Folded> attacked;
  if (network) result.network.emplace();
  if (plan.attack) {
    attacked = fold(*network, plan.compute);
    result.network->adversarial.emplace();
  }
  for_batches(dataset, plan, device, at::kFloat, interrupt, report, [&](const Batch& batch) {
    const at::Tensor logits = engine(batch.images);
    append(result.engine, logits, batch);
    if (!network) return;
    const at::Tensor exact = logits_of(*network, batch.images, plan.compute);
    append(result.network->benign, exact, batch);
    result.difference += (exact.to(at::kDouble) - logits.to(at::kDouble)).square().sum().item<double>();
    result.norm += exact.to(at::kDouble).square().sum().item<double>();
    if (!plan.attack) return;
    const AttackResult found =
        strongest(*network, *attacked, batch, *plan.attack, key_of(plan), std::nullopt, interrupt);
    append(*result.network->adversarial, found.losses, found.classes);
    append(result.engine_adversarial, classes_of(engine(found.images)));
  });
  return result;
}

}  // namespace coppice
