#include "evaluation/evaluate.h"

#include <ATen/core/grad_mode.h>

#include <chrono>

#include "graph/classes.h"
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

/// Some of a batch's images, channels last.
at::Tensor picked(const at::Tensor& images, const at::Tensor& places) {
  return images.index_select(0, places).contiguous(at::MemoryFormat::ChannelsLast);
}

Batch part_of(const Batch& batch, const at::Tensor& places) {
  return {batch.indices.index_select(0, places), picked(batch.images, places),
          batch.labels.index_select(0, places)};
}

}  // namespace

AttackResult strongest(const Network& network, const Folded& attacked, const Batch& batch,
                       const std::vector<Attack>& attacks, RandomKey key,
                       const std::optional<at::Tensor>& start, const Interrupt& interrupt) {
  const auto judged = [&](const at::Tensor& images, const at::Tensor& labels) {
    return judge(logits_of(network, images, attacked.compute), labels);
  };
  AttackResult best{batch.images, {}, {}, at::full_like(batch.labels, kNone)};
  const bool begun = !std::holds_alternative<Pgd>(attacks.front());
  if (begun) {
    const Judged as_they_are = judged(batch.images, batch.labels);
    best.losses = as_they_are.losses;
    best.classes = as_they_are.classes;
  }
  for (size_t number = 0; number < attacks.size(); ++number) {
    const Attack& attack = attacks[number];
    const int64_t count = attempts(attack, network.graph.classes);
    for (int64_t attempt = 0; attempt < count; ++attempt) {
      interrupt.between_batches();
      const auto search_in = [&](const Batch& some, const std::optional<at::Tensor>& from) {
        const Target target{attacked, some, key, interrupt, {}, &network};
        return search(attack, target, static_cast<uint32_t>(attempt), from);
      };
      if (!best.classes.defined()) {
        best.images = search_in(batch, start);
        const Judged found = judged(best.images, batch.labels);
        best.losses = found.losses;
        best.classes = found.classes;
        best.broken_by.masked_fill_(best.classes.ne(batch.labels), 0);
        continue;
      }
      const at::Tensor left = best.classes.eq(batch.labels).nonzero().view(-1);
      if (left.size(0) == 0) return best;
      const Batch some = part_of(batch, left);
      const at::Tensor images = search_in(some, start ? std::optional(picked(*start, left)) : std::nullopt);
      const Judged found = judged(images, some.labels);
      const at::Tensor broken = found.classes.ne(some.labels);
      const at::Tensor better =
          broken.logical_or(found.losses.gt(best.losses.index_select(0, left))).nonzero().view(-1);
      const at::Tensor into = left.index_select(0, better);
      best.images =
          best.images.index_copy(0, into, picked(images, better)).contiguous(at::MemoryFormat::ChannelsLast);
      best.losses.index_copy_(0, into, found.losses.index_select(0, better));
      best.classes.index_copy_(0, into, found.classes.index_select(0, better));
      best.broken_by.index_fill_(0, left.masked_select(broken), static_cast<int64_t>(number));
    }
  }
  return best;
}

EvaluateResult evaluate(const Network& network, const Dataset& dataset, const EvaluatePlan& plan,
                        const Interrupt& interrupt, const std::function<void(int64_t)>& report) {
  const at::NoGradGuard no_grad;
  const auto started = std::chrono::steady_clock::now();
  const Folded attacked = fold(network, plan.compute);
  EvaluateResult result;
  if (!plan.attacks.empty()) result.adversarial.emplace();
  std::vector<at::Tensor> images, examples;
  for_batches(dataset, plan, network.device, network.type, interrupt, report, [&](const Batch& batch) {
    append(result.benign, logits_of(network, batch.images, plan.compute), batch);
    if (plan.keep_images) images.push_back(batch.images);
    if (plan.attacks.empty()) return;
    const AttackResult found =
        strongest(network, attacked, batch, plan.attacks, key_of(plan), std::nullopt, interrupt);
    append(*result.adversarial, found.losses, found.classes);
    append(result.broken_by, found.broken_by);
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
  if (!plan.attacks.empty()) {
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
    if (plan.attacks.empty()) return;
    const AttackResult found =
        strongest(*network, *attacked, batch, plan.attacks, key_of(plan), std::nullopt, interrupt);
    append(*result.network->adversarial, found.losses, found.classes);
    append(result.engine_adversarial, classes_of(engine(found.images)));
  });
  return result;
}

}  // namespace coppice
