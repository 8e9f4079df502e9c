// The limits of requests, for JavaScript.
#pragma once
#include <napi.h>

namespace coppice {

Napi::Object limits_object(Napi::Env env);

}  // namespace coppice
