// The kinds of handles: networks, data sets and inference engines.
#pragma once
#include "addon/handle.h"
#include "data/dataset.h"
#include "graph/network.h"
#include "sparse/engine.h"

namespace coppice {

template <>
struct HandleTraits<Network> {
  static constexpr napi_type_tag tag{0x7d2f53a0c1b94e6bULL, 0x9c1e5a70b3d84f21ULL};
  static constexpr const char* name = "network";
};
template <>
struct HandleTraits<Dataset> {
  static constexpr napi_type_tag tag{0x31b8e4976a0d4c52ULL, 0xa5f06c2e9b7d1834ULL};
  static constexpr const char* name = "dataset";
};

template <>
struct HandleTraits<sparse::SparseEngine> {
  static constexpr napi_type_tag tag{0x5e0c7be1f2a94d36ULL, 0x84d19f3b6c2ae057ULL};
  static constexpr const char* name = "sparse engine";
};

Napi::Object network_object(Napi::Env env, std::shared_ptr<Network> network);
Napi::Object dataset_object(Napi::Env env, std::shared_ptr<Dataset> dataset);

/// createNetwork(spec, { device, type })
Napi::Value create_network(const Napi::CallbackInfo& info);
/// createDataset(images, labels, { shape, classes, device })
Napi::Value create_dataset(const Napi::CallbackInfo& info);

}  // namespace coppice
