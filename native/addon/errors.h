// C++ exceptions become CoppiceErrors: a code, one readable line, libtorch's backtrace only in `cause`.
#pragma once
#include <napi.h>

#include <exception>

namespace coppice {

/// The JavaScript error for an exception: a CoppiceError once the class is known (see Addon), an Error with
/// `code` before.
Napi::Value to_js_error(Napi::Env env, std::exception_ptr error);

/// A function whose C++ exceptions reach JavaScript as errors of to_js_error.
Napi::Function guarded(Napi::Env env, const char* name,
                       std::function<Napi::Value(const Napi::CallbackInfo&)> body);

}  // namespace coppice
