#include "addon/sparse_jobs.h"

#include <ATen/core/grad_mode.h>

#include "addon/handles.h"
#include "addon/job.h"
#include "addon/job_arguments.h"
#include "addon/read_evaluate.h"
#include "addon/reader.h"
#include "addon/values.h"
#include "device/limits.h"

namespace coppice {
namespace {

using sparse::Arithmetic;
using sparse::SparseEngine;

Arithmetic read_arithmetic(const Reader& type) {
  const std::string name = type.text();
  if (name == "fp32") return Arithmetic::kFp32;
  if (name == "bf16") return Arithmetic::kBf16;
  if (name == "fp16") return Arithmetic::kFp16;
  type.refuse("fp32, bf16 or fp16");
}

sparse::Instructions read_instructions(const Reader& instructions) {
  const std::string name = instructions.text();
  if (name == "best") return sparse::Instructions::kBest;
  if (name == "portable") return sparse::Instructions::kPortable;
  if (name == "imitated") return sparse::Instructions::kImitated;
  instructions.refuse("best, portable or imitated");
}

/// An object's properties, all of them strings.
sparse::Tuning read_tuning(const Reader& tuning) {
  sparse::Tuning read;
  if (tuning.missing()) return read;
  if (!tuning.value().IsObject()) tuning.refuse("an object");
  const auto object = tuning.value().As<Napi::Object>();
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>();
    read[name] = tuning[name.c_str()].text();
  }
  return read;
}

at::Tensor read_engine_images(const Reader& images, const SparseEngine& engine) {
  const auto& [channels, height, width] = engine.input();
  const at::Tensor flat = images.floats(at::kFloat);
  const int64_t size = channels * height * width;
  if (flat.numel() == 0 || flat.numel() % size != 0)
    throw std::invalid_argument(images.path() + " must hold whole images of " + std::to_string(size) +
                                " values, got " + std::to_string(flat.numel()));
  return flat.view({-1, channels, height, width});
}

Napi::Array stage_rows(Napi::Env env, const std::vector<sparse::StageReport>& stages) {
  auto rows = Napi::Array::New(env, stages.size());
  for (uint32_t i = 0; i < stages.size(); ++i) {
    const sparse::StageReport& stage = stages[i];
    auto row = Napi::Object::New(env);
    row.Set("name", stage.name);
    row.Set("node", stage.node.empty() ? env.Null() : Napi::String::New(env, stage.node).As<Napi::Value>());
    row.Set("kernel", stage.kernel);
    row.Set("seconds", stage.seconds);
    row.Set("images", static_cast<double>(stage.images));
    row.Set("denseMacs", static_cast<double>(stage.dense_macs));
    row.Set("macs", static_cast<double>(stage.macs));
    row.Set("doneMacs", static_cast<double>(stage.done_macs));
    rows.Set(i, row);
  }
  return rows;
}

struct Compiled {
  std::shared_ptr<SparseEngine> engine;
  sparse::Tuning tuning;
};

Napi::Object engine_object(Napi::Env env, const Compiled& compiled) {
  const auto& engine = compiled.engine;
  std::shared_ptr<Handle<SparseEngine>> handle;
  Napi::Object object = make_handle(env, engine, engine->bytes(), handle);
  auto candidates = Napi::Array::New(env);
  for (const sparse::Candidate& candidate : engine->candidates()) {
    auto row = Napi::Object::New(env);
    row.Set("name", candidate.name);
    row.Set("seconds", candidate.seconds);
    row.Set("chosen", candidate.chosen);
    candidates.Set(candidates.Length(), row);
  }
  auto tuning = Napi::Object::New(env);
  for (const auto& [key, choice] : compiled.tuning) tuning.Set(key, choice);
  object.Set("candidates", candidates);
  object.Set("tuning", tuning);
  object.Set("bytes", static_cast<double>(engine->bytes()));
  object.Set("compileSeconds", engine->seconds_to_compile());
  object.Set(
      "run", guarded(env, "run", [handle](const Napi::CallbackInfo& info) -> Napi::Value {
        const auto engine = handle->get();
        const at::Tensor images = read_engine_images({info[0], "images"}, *engine);
        return start_job(
            info.Env(), brief(engine->device()),
            [engine, images](const Interrupt&) { return engine->run(images); },
            [](Napi::Env env, const at::Tensor& logits) { return to_typed_array(env, logits.flatten()); });
      }));
  object.Set(
      "time", guarded(env, "time", [handle](const Napi::CallbackInfo& info) -> Napi::Value {
        const auto engine = handle->get();
        const at::Tensor images = read_engine_images({info[0], "images"}, *engine);
        const Reader options(info[1], "options");
        const int64_t warmup = options["warmup"].integer(0, limits::kRuns);
        const int64_t runs = options["runs"].integer(1, limits::kRuns);
        const bool flush = options["flush"].flag();
        return start_job(
            info.Env(), lengthy(engine->device()),
            [=](const Interrupt& interrupt) { return engine->time(images, warmup, runs, flush, interrupt); },
            [](Napi::Env env, const std::vector<double>& seconds) {
              return to_typed_array<Napi::Float64Array>(env, seconds);
            });
      }));
  object.Set("profile", guarded(env, "profile", [handle](const Napi::CallbackInfo& info) -> Napi::Value {
               const auto engine = handle->get();
               const at::Tensor images = read_engine_images({info[0], "images"}, *engine);
               return start_job(
                   info.Env(), lengthy(engine->device()),
                   [engine, images](const Interrupt&) { return engine->profile(images); },
                   [](Napi::Env env, const std::vector<sparse::StageReport>& stages) {
                     return stage_rows(env, stages);
                   });
             }));
  return object;
}

}  // namespace

Napi::Value start_compile(const Napi::CallbackInfo& info) {
  const auto network = from_handle<Network>({info[0], "network"});
  const Reader request(info[1], "request");
  sparse::CompileOptions options;
  options.batch = request["batch"].integer(1, limits::kEngineBatch);
  options.type = read_arithmetic(request["type"]);
  options.threads = static_cast<int>(request["threads"].integer(1, limits::kThreads));
  options.dense = request["dense"].flag();
  if (const Reader exact = request["exact"]; !exact.missing()) options.exact = exact.flag();
  options.sparse = request["sparse"].flag();
  options.instructions = read_instructions(request["instructions"]);
  if (const Reader kernel = request["kernel"]; !kernel.missing()) options.kernel = kernel.text();
  if (const Reader imitate = request["imitate"]; !imitate.missing()) options.imitate = imitate.flag();
  const auto tuning = std::make_shared<sparse::Tuning>(read_tuning(request["tuning"]));
  return start_job(
      info.Env(), long_read(*network),
      [=](const Interrupt& interrupt) {
        const at::NoGradGuard no_grad;
        auto engine = std::make_shared<SparseEngine>(*network, options, *tuning, interrupt);
        return Compiled{std::move(engine), *tuning};
      },
      [](Napi::Env env, const Compiled& compiled) { return engine_object(env, compiled); });
}

Napi::Value start_evaluate_engine(const Napi::CallbackInfo& info) {
  const auto engine = from_handle<SparseEngine>({info[0], "engine"});
  const Reader from(info[1], "network");
  const auto network = from.missing() ? nullptr : from_handle<Network>(from);
  const auto dataset = from_handle<Dataset>({info[2], "dataset"});
  const auto plan = std::make_shared<EvaluatePlan>(
      read_engine_plan({info[3], "request"}, *engine, network.get(), *dataset));
  const auto job = std::make_shared<Job>(info.Env());
  listen(job, {info[4], "onProgress"});
  Addon& addon = Addon::of(info.Env());
  return start_job(
      info.Env(), network ? long_read(*network) : lengthy(engine->device()), job,
      [=, &addon](const Interrupt& interrupt) {
        const auto classify = [&](const at::Tensor& images) { return engine->run(images); };
        return evaluate_engine(classify, engine->device(), network.get(), *dataset, *plan, interrupt,
                               samples_done(addon, job));
      },
      [](Napi::Env env, const EngineResult& result) {
        const auto classes = [&](const std::vector<int32_t>& all) {
          return to_typed_array<Napi::Int32Array>(env, all);
        };
        auto object = Napi::Object::New(env);
        object.Set("predictions", classes(result.engine.classes));
        object.Set("adversarialPredictions", classes(result.engine_adversarial));
        object.Set("network", env.Null());
        if (result.network) {
          auto network = Napi::Object::New(env);
          network.Set("predictions", classes(result.network->benign.classes));
          const auto& adversarial = result.network->adversarial;
          network.Set("adversarialPredictions",
                      classes(adversarial ? adversarial->classes : std::vector<int32_t>{}));
          network.Set("difference", result.difference);
          network.Set("norm", result.norm);
          object.Set("network", network);
        }
        return object;
      });
}

Napi::Value start_peak(const Napi::CallbackInfo& info) {
  const Arithmetic arithmetic = read_arithmetic({info[0], "type"});
  return start_job(
      info.Env(), lengthy(at::kCPU), [arithmetic](const Interrupt&) { return sparse::peak_macs(arithmetic); },
      [](Napi::Env env, double macs) { return Napi::Number::New(env, macs); });
}

}  // namespace coppice
