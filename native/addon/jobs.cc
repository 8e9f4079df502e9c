#include "addon/jobs.h"

#include <ATen/core/grad_mode.h>

#include "addon/handles.h"
#include "addon/job.h"
#include "addon/job_arguments.h"
#include "addon/read_common.h"
#include "addon/read_evaluate.h"
#include "addon/read_train.h"
#include "addon/values.h"
#include "device/limits.h"
#include "graph/forward.h"

namespace coppice {
namespace {

Napi::Number number(Napi::Env env, int64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

}  // namespace

Napi::Value start_train(const Napi::CallbackInfo& info) {
  const auto network = to_write<Network>({info[0], "network"});
  const auto dataset = from_handle<Dataset>({info[1], "dataset"});
  const auto plan = std::make_shared<TrainPlan>(read_train_plan({info[2], "request"}, *network, *dataset));
  const auto job = std::make_shared<Job>(info.Env());
  listen(job, {info[3], "onProgress"});
  Addon& addon = Addon::of(info.Env());
  return start_job(
      info.Env(), long_write(*network), job,
      [=, &addon](const Interrupt& interrupt) {
        return train(*network, *dataset, *plan, interrupt, [&](const TrainProgress& progress) {
          notify(addon, job, [progress](Napi::Env env) -> Napi::Value {
            auto object = Napi::Object::New(env);
            object.Set("steps", number(env, progress.steps));
            object.Set("samples", number(env, progress.samples));
            object.Set("loss", progress.loss);
            return object;
          });
        });
      },
      [](Napi::Env env, const TrainResult& result) {
        auto object = Napi::Object::New(env);
        object.Set("steps", number(env, result.steps));
        object.Set("samples", number(env, result.samples));
        object.Set("losses", to_typed_array<Napi::Float64Array>(env, result.losses));
        object.Set("correct", number(env, result.correct));
        object.Set("replayed", number(env, result.replayed));
        object.Set("seconds", result.seconds);
        if (result.scores.defined()) object.Set("scores", to_typed_array(env, result.scores));
        return object;
      });
}

Napi::Value start_evaluate(const Napi::CallbackInfo& info) {
  const auto network = from_handle<Network>({info[0], "network"});
  const auto dataset = from_handle<Dataset>({info[1], "dataset"});
  const auto plan =
      std::make_shared<EvaluatePlan>(read_evaluate_plan({info[2], "request"}, *network, *dataset));
  const auto job = std::make_shared<Job>(info.Env());
  listen(job, {info[3], "onProgress"});
  Addon& addon = Addon::of(info.Env());
  return start_job(
      info.Env(), plan->brief() ? brief_read(*network) : long_read(*network), job,
      [=, &addon](const Interrupt& interrupt) {
        return evaluate(*network, *dataset, *plan, interrupt, samples_done(addon, job));
      },
      [type = network->type](Napi::Env env, const EvaluateResult& result) {
        const auto pixels = [&](const at::Tensor& images) {
          return images.defined() ? to_typed_array(env, flat_copy(images, type)) : env.Null();
        };
        auto object = Napi::Object::New(env);
        object.Set("predictions", to_typed_array<Napi::Int32Array>(env, result.benign.classes));
        object.Set("losses", to_typed_array<Napi::Float32Array>(env, result.benign.losses));
        object.Set("adversarialPredictions",
                   result.adversarial ? to_typed_array<Napi::Int32Array>(env, result.adversarial->classes)
                                      : env.Null());
        object.Set("adversarialLosses",
                   result.adversarial ? to_typed_array<Napi::Float32Array>(env, result.adversarial->losses)
                                      : env.Null());
        object.Set("brokenBy",
                   result.adversarial ? to_typed_array<Napi::Int32Array>(env, result.broken_by) : env.Null());
        object.Set("images", pixels(result.images));
        object.Set("adversarialImages", pixels(result.adversarial_images));
        object.Set("seconds", result.seconds);
        return object;
      });
}

Napi::Value start_gradients(const Napi::CallbackInfo& info) {
  const auto network = to_write<Network>({info[0], "network"});
  const auto dataset = from_handle<Dataset>({info[1], "dataset"});
  const auto plan =
      std::make_shared<GradientPlan>(read_gradient_plan({info[2], "request"}, *network, *dataset));
  const auto job = std::make_shared<Job>(info.Env());
  listen(job, {info[3], "onProgress"});
  Addon& addon = Addon::of(info.Env());
  return start_job(
      info.Env(), long_write(*network), job,
      [=, &addon](const Interrupt& interrupt) {
        return mean_gradients(*network, *dataset, *plan, interrupt, samples_done(addon, job));
      },
      [](Napi::Env env, const GradientResult& result) {
        auto object = Napi::Object::New(env);
        object.Set("gradients", to_typed_array(env, result.gradients));
        object.Set("loss", result.loss);
        object.Set("seconds", result.seconds);
        return object;
      });
}

Napi::Value start_forward(const Napi::CallbackInfo& info) {
  const Reader options(info[2], "options");
  // Statistics of batch norm change in training.
  const bool training = options["training"].flag();
  const Reader handle(info[0], "network");
  const auto network = training ? to_write<Network>(handle) : from_handle<Network>(handle);
  const at::ScalarType compute = read_precision(options["precision"], *network);
  const at::Tensor images = read_images({info[1], "images"}, *network);
  return start_job(
      info.Env(), training ? brief_write(*network) : brief_read(*network),
      [=](const Interrupt&) {
        const at::NoGradGuard no_grad;
        const at::Tensor pixels = placed(images, network->device);
        const auto mode = training ? BatchNormMode::kTraining : BatchNormMode::kEvaluation;
        return flat_copy(forward(network->graph, network->weights(), pixels, compute, mode), network->type);
      },
      [](Napi::Env env, const at::Tensor& logits) { return to_typed_array(env, logits); });
}

Napi::Value start_backward(const Napi::CallbackInfo& info) {
  const auto network = to_write<Network>({info[0], "network"});
  const auto batch = std::make_shared<Batch>(read_batch({info[1], "batch"}, *network));
  const at::ScalarType compute = read_precision(Reader(info[2], "options")["precision"], *network);
  return start_job(
      info.Env(), brief_write(*network),
      [=](const Interrupt& interrupt) {
        const at::NoGradGuard no_grad;
        network->gradients.zero_();
        const Batch here = placed(*batch, network->device);
        const Weights trainable = network->trainable_weights();
        const PassSettings settings{compute, {}};
        const BatchLoss pass = objective_loss(Natural{}, {*network, trainable, here, settings, interrupt});
        torch::autograd::backward({pass.loss}, {});
        return pass.loss.item<double>();
      },
      [](Napi::Env env, double loss) { return Napi::Number::New(env, loss); });
}

Napi::Value start_step(const Napi::CallbackInfo& info) {
  const auto network = to_write<Network>({info[0], "network"});
  const Reader options(info[1], "options");
  const Optimiser optimiser = read_variant<Optimiser>(options["optimiser"]);
  const double rate = options["learningRate"].number(0, limits::kLearningRate);
  const int64_t taken = options["stepsTaken"].integer(0, int64_t{1} << 53);
  return start_job(
      info.Env(), brief_write(*network),
      [=](const Interrupt&) {
        const at::NoGradGuard no_grad;
        make_moments(*network, optimiser);
        optimiser_step(*network, optimiser, step_numbers(optimiser, {rate}, taken, network->device)[0]);
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

Napi::Value start_image_gradients(const Napi::CallbackInfo& info) {
  const auto network = from_handle<Network>({info[0], "network"});
  const auto batch = std::make_shared<Batch>(read_batch({info[1], "batch"}, *network));
  const Reader options(info[2], "options");
  const at::ScalarType compute = read_precision(options["precision"], *network);
  const bool folded = options["folded"].flag(), autograd = options["autograd"].flag();
  return start_job(
      info.Env(), brief_read(*network),
      [=](const Interrupt& interrupt) {
        const at::NoGradGuard no_grad;
        const Batch here = placed(*batch, network->device);
        const Folded attacked = fold(*network, compute, {.batch_norm = folded});
        Target target{attacked, here, {}, interrupt};
        target.loss = [&](const at::Tensor& logits) { return cross_entropies(logits, here.labels); };
        const Target::Slope found =
            autograd ? target.slope_by_autograd(here.images) : target.slope(here.images);
        return std::pair(flat_copy(found.losses, network->type), flat_copy(found.gradient, network->type));
      },
      [](Napi::Env env, const std::pair<at::Tensor, at::Tensor>& found) {
        auto object = Napi::Object::New(env);
        object.Set("losses", to_typed_array(env, found.first));
        object.Set("gradients", to_typed_array(env, found.second));
        return object;
      });
}

Napi::Value start_attack(const Napi::CallbackInfo& info) {
  const auto network = from_handle<Network>({info[0], "network"});
  const auto batch = std::make_shared<Batch>(read_batch({info[1], "batch"}, *network));
  const Reader options(info[2], "options");
  const std::vector<Attack> attacks = read_attacks(options["attack"]);
  const at::ScalarType compute = read_precision(options["precision"], *network);
  const bool folded = options["folded"].flag();
  const auto seed = read_seed(options["seed"]);
  std::optional<at::Tensor> start;
  if (const Reader given = options["start"]; !given.missing()) {
    start = read_images(given, *network);
    if (start->sizes() != batch->images.sizes())
      throw std::invalid_argument("options.start must have as many images as the batch");
    for (const Attack& attack : attacks)
      if (!std::holds_alternative<Pgd>(attack)) given.refuse("null, as only pgd takes a start");
  }
  return start_job(
      info.Env(), long_read(*network),
      [=](const Interrupt& interrupt) {
        const at::NoGradGuard no_grad;
        const Batch here = placed(*batch, network->device);
        const auto from = start ? std::optional(placed(*start, network->device)) : std::nullopt;
        AttackResult found = strongest(*network, fold(*network, compute, {.batch_norm = folded}), here,
                                       attacks, {seed, 0}, from, interrupt);
        found.images = flat_copy(found.images, network->type);
        found.losses = flat_copy(found.losses, network->type);
        found.classes = flat_copy(found.classes, at::kInt);
        return found;
      },
      [](Napi::Env env, const AttackResult& found) {
        auto object = Napi::Object::New(env);
        object.Set("images", to_typed_array(env, found.images));
        object.Set("losses", to_typed_array(env, found.losses));
        object.Set("predictions", to_typed_array(env, found.classes));
        return object;
      });
}

}  // namespace coppice
