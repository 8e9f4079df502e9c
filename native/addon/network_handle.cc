// Networks: creation, and reading and writing their arenas.
#include <ATen/core/grad_mode.h>

#include <array>

#include "addon/handles.h"
#include "addon/job.h"
#include "addon/read_common.h"
#include "addon/read_spec.h"
#include "addon/values.h"
#include "device/device.h"

namespace coppice {
namespace {

const char* kind_name(TensorKind kind) {
  switch (kind) {
    case TensorKind::kWeight:
      return "weight";
    case TensorKind::kBias:
      return "bias";
    case TensorKind::kScale:
      return "scale";
    case TensorKind::kShift:
      return "shift";
    case TensorKind::kRunningMean:
      return "runningMean";
    case TensorKind::kRunningVariance:
      return "runningVariance";
  }
  return "";
}

Napi::Array layout(Napi::Env env, const Graph& graph) {
  auto rows = Napi::Array::New(env, graph.tensors.size());
  for (uint32_t i = 0; i < graph.tensors.size(); ++i) {
    const TensorInfo& info = graph.tensors[i];
    auto row = Napi::Object::New(env);
    row.Set("name", info.name);
    row.Set("node", graph.nodes[info.node].name);
    row.Set("kind", kind_name(info.kind));
    row.Set("arena", info.buffer() ? "buffers" : "parameters");
    row.Set("shape", to_js_array(env, info.shape));
    row.Set("offset", Napi::Number::New(env, static_cast<double>(info.offset)));
    row.Set("size", Napi::Number::New(env, static_cast<double>(info.size)));
    row.Set("prunable", Napi::Boolean::New(env, info.prunable()));
    rows.Set(i, row);
  }
  return rows;
}

using ArenaMember = at::Tensor Network::*;

ArenaMember arena_named(const Reader& name, bool writable) {
  const std::string arena = name.text();
  if (arena == "parameters") return &Network::parameters;
  if (arena == "moment1") return &Network::moment1;
  if (arena == "moment2") return &Network::moment2;
  if (arena == "average") return &Network::average;
  if (arena == "buffers") return &Network::buffers;
  if (arena == "mask") return &Network::mask;
  if (arena == "gradients" && !writable) return &Network::gradients;
  name.refuse(std::string(writable ? "" : "gradients, ") +
              "parameters, moment1, moment2, average, buffers or mask");
}

/// Refuses NaN and infinite values by the name of their tensor.
void require_finite(const Network& network, const at::Tensor& arena, bool buffers) {
  if (at::isfinite(arena).all().item<bool>()) return;
  for (const TensorInfo& info : network.graph.tensors)
    if (info.buffer() == buffers && !at::isfinite(arena.narrow(0, info.offset, info.size)).all().item<bool>())
      throw std::invalid_argument("'" + info.name + "' of network '" + network.graph.name +
                                  "' has NaN or infinite values");
}

/// Refuses running statistics of which no real network can be made, by the name of their tensor.
void require_positive_variance(const Network& network, const at::Tensor& buffers) {
  for (const TensorInfo& info : network.graph.tensors) {
    if (info.kind != TensorKind::kRunningVariance) continue;
    const double epsilon = std::visit(
        [](const auto& op) -> double {
          if constexpr (facts_of<decltype(op)>.numbers == Numbers::kPerChannel)
            return op.epsilon;
          else
            return 0;
        },
        network.graph.nodes[info.node].operation);
    if (at::Tensor sum = buffers.narrow(0, info.offset, info.size).to(at::kDouble) + epsilon;
        !sum.gt(0).all().item<bool>())
      throw std::invalid_argument("'" + info.name + "' of network '" + network.graph.name +
                                  "' has a variance that is not positive, even with epsilon added");
  }
}

at::Tensor on_host(const at::Tensor& arena) {
  return arena.to(at::kCPU, arena.scalar_type(), false, /*copy=*/true);
}

Napi::Value read(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network) {
  const ArenaMember member = arena_named({info[0], "arena"}, false);
  return start_job(
      info.Env(), brief_read(*network),
      [network, member](const Interrupt&) {
        const at::Tensor& arena = (*network).*member;
        return arena.defined() ? on_host(arena) : at::zeros({network->graph.parameter_count}, network->type);
      },
      [](Napi::Env env, const at::Tensor& copy) { return to_typed_array(env, copy); });
}

Napi::Value snapshot(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network) {
  return start_job(
      info.Env(), brief_read(*network),
      [network](const Interrupt&) {
        return std::array{on_host(network->parameters), on_host(network->buffers), on_host(network->mask)};
      },
      [](Napi::Env env, const std::array<at::Tensor, 3>& copies) {
        auto object = Napi::Object::New(env);
        object.Set("parameters", to_typed_array(env, copies[0]));
        object.Set("buffers", to_typed_array(env, copies[1]));
        object.Set("mask", to_typed_array(env, copies[2]));
        return object;
      });
}

Napi::Value write(const Napi::CallbackInfo& info, const std::shared_ptr<Network>& network) {
  const ArenaMember member = arena_named({info[0], "arena"}, true);
  const bool mask = member == &Network::mask, buffers = member == &Network::buffers;
  const Reader data(info[1], "data");
  const at::Tensor values = mask ? data.bytes() : data.floats(network->type);
  const int64_t expected = buffers ? network->graph.buffer_count : network->graph.parameter_count;
  if (values.numel() != expected)
    throw std::invalid_argument("data must have " + std::to_string(expected) + " elements for network '" +
                                network->graph.name + "', got " + std::to_string(values.numel()));
  return start_job(
      info.Env(), brief_write(*network),
      [network, member, mask, buffers, values](const Interrupt&) {
        const at::NoGradGuard no_grad;
        if (mask && values.gt(1).any().item<bool>())
          throw std::invalid_argument("data must hold only 0 and 1");
        if (!mask) require_finite(*network, values, buffers);
        if (buffers) require_positive_variance(*network, values);
        at::Tensor& arena = (*network).*member;
        if (!arena.defined()) arena = at::zeros_like(network->parameters);
        arena.copy_(values);
        network->enforce_mask();
        return 0;
      },
      [](Napi::Env env, int) { return env.Undefined(); });
}

using NetworkHandle = std::shared_ptr<Handle<Network>>;

Napi::Object describe(Napi::Env env, Napi::Object object, const NetworkHandle& handle);

/// A handle of the same network that alone may write it, until it is disposed or nobody has it any more.
Napi::Object claim(Napi::Env env, const NetworkHandle& of, const std::string& job) {
  const auto network = of->get_to_write();
  NetworkHandle handle;
  Napi::Object object = make_handle(env, network, 0, handle);
  handle->claimed = of;
  of->claim = "network '" + network->graph.name + "' belongs to a running job, " + job +
              ": wait for its end, abort it, or use a copy";
  return describe(env, object, handle);
}

/// Gives the object of a handle its properties and methods.
Napi::Object describe(Napi::Env env, Napi::Object object, const NetworkHandle& handle) {
  const auto& network = handle->value;
  object.Set("device", network->device.str());
  object.Set("type", network->type == at::kDouble ? "float64" : "float32");
  object.Set("layout", layout(env, network->graph));
  object.Set("parameterCount", Napi::Number::New(env, static_cast<double>(network->graph.parameter_count)));
  object.Set("bufferCount", Napi::Number::New(env, static_cast<double>(network->graph.buffer_count)));
  object.Set("read", guarded(env, "read",
                             [handle](const Napi::CallbackInfo& info) { return read(info, handle->get()); }));
  object.Set("snapshot", guarded(env, "snapshot", [handle](const Napi::CallbackInfo& info) {
               return snapshot(info, handle->get());
             }));
  object.Set("claim", guarded(env, "claim", [handle](const Napi::CallbackInfo& info) {
               return claim(info.Env(), handle, Reader(info[0], "job").text());
             }));
  object.Set("write", guarded(env, "write", [handle](const Napi::CallbackInfo& info) {
               return write(info, handle->get_to_write());
             }));
  object.Set("initialise",
             guarded(env, "initialise", [handle](const Napi::CallbackInfo& info) -> Napi::Value {
               const auto network = handle->get_to_write();
               const auto seed = static_cast<uint64_t>(Reader(info[0], "seed").integer(0, int64_t{1} << 53));
               return start_job(
                   info.Env(), brief_write(*network),
                   [network, seed](const Interrupt&) {
                     const at::NoGradGuard no_grad;
                     network->initialise(seed);
                     return 0;
                   },
                   [](Napi::Env env, int) { return env.Undefined(); });
             }));
  object.Set("resetMoments",
             guarded(env, "resetMoments", [handle](const Napi::CallbackInfo& info) -> Napi::Value {
               const auto network = handle->get_to_write();
               return start_job(
                   info.Env(), brief_write(*network),
                   [network](const Interrupt&) {
                     const at::NoGradGuard no_grad;
                     network->reset_moments();
                     return 0;
                   },
                   [](Napi::Env env, int) { return env.Undefined(); });
             }));
  return object;
}

}  // namespace

Napi::Object network_object(Napi::Env env, std::shared_ptr<Network> network) {
  NetworkHandle handle;
  // The moments come with training; they are counted from the start, as most networks are trained.
  const int64_t bytes = network->bytes() + 2 * static_cast<int64_t>(network->parameters.nbytes());
  Napi::Object object = make_handle(env, network, bytes, handle);
  return describe(env, object, handle);
}

Napi::Value create_network(const Napi::CallbackInfo& info) {
  const Reader options(info[1], "options");
  const at::Device device = usable_device(options["device"].text());
  const at::ScalarType type = read_type(options["type"]);
  const auto graph = std::make_shared<Graph>(read_graph({info[0], "spec"}));
  return start_job(
      info.Env(), brief(device),
      [graph, device, type](const Interrupt&) {
        const at::NoGradGuard no_grad;
        return std::make_shared<Network>(*graph, device, type);
      },
      [](Napi::Env env, const std::shared_ptr<Network>& network) { return network_object(env, network); });
}

}  // namespace coppice
