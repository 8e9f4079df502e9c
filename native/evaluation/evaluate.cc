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

Judged judge(const Network& network, const at::Tensor& images, const at::Tensor& labels,
             at::ScalarType compute) {
  const at::Tensor logits =
      forward(network.graph, network.weights(), images, compute, BatchNormMode::kEvaluation);
  return {cross_entropies(logits, labels), classes_of(logits)};
}

void append(Predictions& all, const at::Tensor& losses, const at::Tensor& classes) {
  const at::Tensor class_values = classes.to(at::kInt).cpu().contiguous();
  const at::Tensor loss_values = losses.to(at::kFloat).cpu().contiguous();
  const auto* class_data = class_values.const_data_ptr<int32_t>();
  const auto* loss_data = loss_values.const_data_ptr<float>();
  all.classes.insert(all.classes.end(), class_data, class_data + class_values.numel());
  all.losses.insert(all.losses.end(), loss_data, loss_data + loss_values.numel());
}

}  // namespace

AttackResult strongest(const Network& network, const Folded& attacked, const Batch& batch,
                       const Attack& attack, RandomKey key, const std::optional<at::Tensor>& start,
                       const Interrupt& interrupt) {
  const Target target{attacked, batch, key, interrupt};
  AttackResult best;
  for (int64_t attempt = 0; attempt < attempts(attack); ++attempt) {
    const at::Tensor images = search(attack, target, static_cast<uint32_t>(attempt), start);
    const Judged judged = judge(network, images, batch.labels, attacked.compute);
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
  const at::Tensor order = at::tensor(at::ArrayRef<int64_t>(plan.indices), at::kLong).to(network.device);
  EvaluateResult result;
  if (plan.attack) result.adversarial.emplace();
  std::vector<at::Tensor> images, examples;

  const auto total = static_cast<int64_t>(plan.indices.size());
  for (int64_t begin = 0; begin < total; begin += plan.batch_size) {
    interrupt.between_batches();
    const int64_t size = std::min(plan.batch_size, total - begin);
    const RandomKey key{plan.seed, 0};
    const Batch batch = make_batch(dataset, order.narrow(0, begin, size), std::nullopt, key, network.type);
    const Judged benign = judge(network, batch.images, batch.labels, plan.compute);
    append(result.benign, benign.losses, benign.classes);
    if (plan.keep_images) images.push_back(batch.images);
    if (plan.attack) {
      const AttackResult found =
          strongest(network, attacked, batch, *plan.attack, key, std::nullopt, interrupt);
      append(*result.adversarial, found.losses, found.classes);
      if (plan.keep_images) examples.push_back(found.images);
    }
    report(begin + size);
  }
  if (!images.empty()) result.images = at::cat(images).cpu();
  if (!examples.empty()) result.adversarial_images = at::cat(examples).cpu();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

}  // namespace coppice
