#include "addon/limits.h"

#include <type_traits>

#include "device/limits.h"

namespace coppice {

Napi::Object limits_object(Napi::Env env) {
  auto object = Napi::Object::New(env);
  const auto number = [&](auto value) { return Napi::Number::New(env, static_cast<double>(value)); };
  const auto set = [&]<class T>(const char* name, const T& limit) {
    if constexpr (std::is_array_v<T>) {
      auto range = Napi::Array::New(env, 2);
      range.Set(0u, number(limit[0]));
      range.Set(1u, number(limit[1]));
      object.Set(name, range);
    } else {
      object.Set(name, number(limit));
    }
  };
  set("batchSize", limits::kBatchSize);
  set("threads", limits::kThreads);
  set("pad", limits::kPad);
  set("attackSteps", limits::kAttackSteps);
  set("restarts", limits::kRestarts);
  set("boundedImages", limits::kBoundedImages);
  set("iterations", limits::kIterations);
  set("learningRate", limits::kLearningRate);
  set("lossWeight", limits::kLossWeight);
  set("weightDecay", limits::kWeightDecay);
  set("beta", limits::kBeta);
  set("adamEpsilon", limits::kAdamEpsilon);
  set("size", limits::kSize);
  set("elements", limits::kElements);
  set("normalisation", limits::kNormalisation);
  set("batchNormEpsilon", limits::kBatchNormEpsilon);
  set("deviation", limits::kDeviation);
  set("imageSide", limits::kImageSide);
  set("classes", limits::kClasses);
  set("engineBatch", limits::kEngineBatch);
  set("moreDevices", limits::kMoreDevices);
  set("runs", limits::kRuns);
  return object;
}

}  // namespace coppice
