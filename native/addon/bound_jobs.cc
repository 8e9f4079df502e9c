#include "addon/bound_jobs.h"

#include <ATen/core/grad_mode.h>

#include "addon/job_arguments.h"
#include "addon/read_bounds.h"
#include "addon/read_spec.h"
#include "addon/values.h"
#include "bounds/outward.h"

namespace coppice {
namespace {

Range flat(const Range& range, at::ScalarType type) {
  return {flat_copy(range.lower, type), flat_copy(range.upper, type)};
}

}  // namespace

Napi::Value start_verify(const Napi::CallbackInfo& info) {
  const auto network = from_handle<Network>({info[0], "network"});
  const auto dataset = from_handle<Dataset>({info[1], "dataset"});
  const auto plan = std::make_shared<VerifyPlan>(read_verify_plan({info[2], "request"}, *network, *dataset));
  const auto job = std::make_shared<Job>(info.Env());
  listen(job, {info[3], "onProgress"});
  Addon& addon = Addon::of(info.Env());
  return start_job(
      info.Env(), long_read(*network), job,
      [=, &addon](const Interrupt& interrupt) {
        return verify(*network, *dataset, *plan, interrupt, samples_done(addon, job));
      },
      [](Napi::Env env, const VerifyResult& result) {
        auto object = Napi::Object::New(env);
        object.Set("margins", to_typed_array<Napi::Float64Array>(env, result.margins));
        object.Set("confirmed", to_typed_array<Napi::Uint8Array>(env, result.confirmed));
        object.Set("predictions", to_typed_array<Napi::Int32Array>(env, result.predictions));
        object.Set("unstable", result.unstable);
        object.Set("macs", result.macs);
        object.Set("seconds", result.seconds);
        return object;
      });
}

Napi::Value start_bounds(const Napi::CallbackInfo& info) {
  const auto network = from_handle<Network>({info[0], "network"});
  const at::Tensor images = read_images({info[1], "images"}, *network);
  const Reader options(info[2], "options");
  const BoxSettings box = read_box(options);
  const BoundSettings settings = read_bounds(options, *network, options["sound"].flag());
  const int node = read_node(options["node"], network->graph);
  return start_job(
      info.Env(), long_read(*network),
      [=](const Interrupt& interrupt) {
        const at::NoGradGuard no_grad;
        const at::ScalarType type = bound_type(*network, box.epsilon);
        // Not folded, so that every node is still there.
        const Folded plain = fold(*network, type, {.batch_norm = false});
        const Range around =
            box_around(placed(images, network->device).to(type), box.epsilon, box.clip, settings.sound);
        const Range found =
            node_bounds({plain.graph, plain.weights, settings.method}, around, node, settings, interrupt);
        return flat(nearest_outward(found, network->type, settings.sound), network->type);
      },
      [](Napi::Env env, const Range& found) {
        auto object = Napi::Object::New(env);
        object.Set("lower", to_typed_array(env, found.lower));
        object.Set("upper", to_typed_array(env, found.upper));
        return object;
      });
}

Napi::Value start_margins(const Napi::CallbackInfo& info) {
  const auto network = from_handle<Network>({info[0], "network"});
  const auto batch = std::make_shared<Batch>(read_batch({info[1], "batch"}, *network));
  const Reader options(info[2], "options");
  const BoxSettings box = read_box(options);
  const BoundSettings settings = read_bounds(options, *network, options["sound"].flag());
  return start_job(
      info.Env(), long_read(*network),
      [=](const Interrupt& interrupt) {
        const at::NoGradGuard no_grad;
        const at::ScalarType type = bound_type(*network, box.epsilon);
        const Folded folded = fold(*network, type, {.for_bounds = true});
        const Batch here = placed(*batch, network->device);
        const Range around = box_around(here.images.to(type), box.epsilon, box.clip, settings.sound);
        Margins found = margins({folded.graph, folded.weights, settings.method}, around, here.labels,
                                settings, interrupt);
        found.lower =
            flat(nearest_outward({found.lower, found.lower}, network->type, settings.sound), network->type)
                .lower;
        return found;
      },
      [](Napi::Env env, const Margins& found) {
        auto object = Napi::Object::New(env);
        object.Set("margins", to_typed_array(env, found.lower));
        object.Set("unstable", found.unstable);
        object.Set("macs", found.macs);
        return object;
      });
}

}  // namespace coppice
