#include "addon/errors.h"

#include <c10/util/Exception.h>

#include <new>
#include <stdexcept>

#include "addon/addon.h"
#include "device/device.h"
#include "device/interrupt.h"
#include "graph/unsupported.h"
#include "train/loop.h"

namespace coppice {
namespace {

struct Description {
  const char* code;
  std::string message;
  std::string detail;  ///< backtrace and the like, for `cause`
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

Description describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Aborted& e) {
    return {"ERR_ABORTED", e.what(), ""};
  } catch (const HandleDisposed& e) {
    return {"ERR_DISPOSED", e.what(), ""};
  } catch (const Busy& e) {
    return {"ERR_BUSY", e.what(), ""};
  } catch (const UnsupportedError& e) {
    return {"ERR_UNSUPPORTED", e.what(), ""};
  } catch (const DivergenceError& e) {
    return {"ERR_DIVERGED", e.what(), ""};
  } catch (const DeviceError& e) {
    return {"ERR_DEVICE", e.what(), ""};
  } catch (const c10::OutOfMemoryError& e) {
    return {"ERR_OUT_OF_MEMORY", first_line(e.what_without_backtrace()) + "; a smaller batch needs less",
            e.what()};
  } catch (const c10::AcceleratorError& e) {
    return {"ERR_DEVICE",
            first_line(e.what_without_backtrace()) + "; restart the process: the device context is lost",
            e.what()};
  } catch (const c10::Error& e) {
    const std::string line = first_line(e.what_without_backtrace());
    const bool memory = line.find("allocate memory") != std::string::npos;
    return {memory ? "ERR_OUT_OF_MEMORY" : "ERR_NATIVE", line, e.what()};
  } catch (const std::bad_alloc&) {
    return {"ERR_OUT_OF_MEMORY", "out of memory on the host; a smaller batch needs less", ""};
  } catch (const std::invalid_argument& e) {
    return {"ERR_INVALID_ARGUMENT", e.what(), ""};
  } catch (const std::exception& e) {
    return {"ERR_NATIVE", first_line(e.what()), e.what()};
  } catch (...) {
    return {"ERR_NATIVE", "an unknown error in native code", ""};
  }
}

}  // namespace

Napi::Value to_js_error(Napi::Env env, std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const Napi::Error& thrown_by_js) {
    return thrown_by_js.Value();
  } catch (...) {
  }
  const Description what = describe(error);
  auto options = Napi::Object::New(env);
  if (!what.detail.empty()) options.Set("cause", Napi::Error::New(env, what.detail).Value());
  const Addon* addon = env.GetInstanceData<Addon>();
  if (addon != nullptr && !addon->error_class.IsEmpty())
    return addon->error_class.New(
        {Napi::String::New(env, what.code), Napi::String::New(env, what.message), options});
  Napi::Object plain = Napi::Error::New(env, what.message).Value();
  plain.Set("code", what.code);
  return plain;
}

Napi::Function guarded(Napi::Env env, const char* name,
                       std::function<Napi::Value(const Napi::CallbackInfo&)> body) {
  return Napi::Function::New(
      env,
      [body = std::move(body)](const Napi::CallbackInfo& info) -> Napi::Value {
        try {
          return body(info);
        } catch (const Napi::Error&) {
          throw;
        } catch (...) {
          const Napi::Value error = to_js_error(info.Env(), std::current_exception());
          throw Napi::Error(info.Env(), error);
        }
      },
      name);
}

}  // namespace coppice
