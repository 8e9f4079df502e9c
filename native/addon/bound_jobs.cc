#include "addon/bound_jobs.h"

#include <ATen/core/grad_mode.h>

#include <limits>

#include "addon/job_arguments.h"
#include "addon/read_bounds.h"
#include "addon/read_spec.h"
#include "addon/values.h"

namespace coppice {
namespace {

/// In the network's type, rounded away from the values that the bounds enclose.
Range given_back(const Range& bounds, at::ScalarType type, bool sound) {
  const auto cast = [&](const at::Tensor& values, double towards) {
    const at::Tensor rounded = values.to(type);
    if (!sound || values.scalar_type() == type) return flat_copy(rounded, type);
    return flat_copy(at::nextafter(rounded, at::full_like(rounded, towards)), type);
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return {cast(bounds.lower, -kInfinity), cast(bounds.upper, kInfinity)};
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
      info.Env(), network->device, job,
      [=, &addon](const Interrupt& interrupt) {
        return verify(*network, *dataset, *plan, interrupt, [&](int64_t samples) {
          notify(addon, job, [samples](Napi::Env env) -> Napi::Value {
            auto object = Napi::Object::New(env);
            object.Set("samples", static_cast<double>(samples));
            return object;
          });
        });
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
  const BoundSettings settings = read_bounds(options, options["sound"].flag());
  const int node = read_node(options["node"], network->graph);
  return start_job(
      info.Env(), network->device,
      [=](const Interrupt& interrupt) {
        const at::NoGradGuard no_grad;
        const at::ScalarType type = bound_type(*network);
        // Not folded, so that every node is still there.
        const Folded plain = fold(*network, type, false);
        const Range around =
            box_around(placed(images, network->device).to(type), box.epsilon, box.clip, settings.sound);
        const Range found =
            node_bounds({plain.graph, plain.weights, settings.method}, around, node, settings, interrupt);
        return given_back(found, network->type, settings.sound);
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
  const BoundSettings settings = read_bounds(options, options["sound"].flag());
  return start_job(
      info.Env(), network->device,
      [=](const Interrupt& interrupt) {
        const at::NoGradGuard no_grad;
        const at::ScalarType type = bound_type(*network);
        const Folded folded = fold(*network, type);
        const Batch here = placed(*batch, network->device);
        const Range around = box_around(here.images.to(type), box.epsilon, box.clip, settings.sound);
        Margins found = margins({folded.graph, folded.weights, settings.method}, around, here.labels,
                                settings, interrupt);
        found.lower = given_back({found.lower, found.lower}, network->type, settings.sound).lower;
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
