// JavaScript objects that own native values. Methods are closures over the value, so calling one on another
// object is harmless; a type tag tells handles apart when they are passed as arguments.
#pragma once
#include <napi.h>

#include <memory>

#include "addon/addon.h"
#include "addon/errors.h"
#include "addon/reader.h"

namespace coppice {

template <class T>
struct HandleTraits;  // static constexpr napi_type_tag tag; static constexpr const char* name;

/// On the JavaScript thread only.
template <class T>
struct Handle {
  std::shared_ptr<T> value;  ///< null once disposed; running jobs keep their own reference
  int64_t bytes = 0;         ///< as told to the garbage collector
  /// Of a claim: the handle whose value it shares. Until the claim is disposed it alone may write the value.
  std::shared_ptr<Handle> claimed;
  std::string claim;  ///< of a handle that is claimed: what to tell others that would write

  const std::shared_ptr<T>& get() const {
    if (!value || (claimed && !claimed->value))
      throw HandleDisposed(std::string("the ") + HandleTraits<T>::name +
                           " was disposed and cannot be used any more");
    return value;
  }
  /// The value, to write it.
  const std::shared_ptr<T>& get_to_write() const {
    const auto& got = get();
    if (!claim.empty()) throw Busy(claim);
    return got;
  }
  void dispose(Napi::BasicEnv env) {
    if (!value) return;
    value.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes);
    if (claimed) claimed->claim.clear();
  }
};

/// A new object that owns `value`, with `dispose()` and `disposed`.
template <class T>
Napi::Object make_handle(Napi::Env env, std::shared_ptr<T> value, int64_t bytes,
                         std::shared_ptr<Handle<T>>& handle) {
  handle = std::make_shared<Handle<T>>();
  handle->value = std::move(value);
  handle->bytes = bytes;
  auto object = Napi::Object::New(env);
  napi_wrap(
      env, object, new std::shared_ptr<Handle<T>>(handle),
      [](napi_env env, void* data, void*) {
        auto* owned = static_cast<std::shared_ptr<Handle<T>>*>(data);
        (*owned)->dispose(Napi::BasicEnv(env));
        delete owned;
      },
      nullptr, nullptr);
  napi_type_tag_object(env, object, &HandleTraits<T>::tag);
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  object.Set("dispose", guarded(env, "dispose", [handle](const Napi::CallbackInfo& info) {
               handle->dispose(info.Env());
               return info.Env().Undefined();
             }));
  object.DefineProperty(Napi::PropertyDescriptor::Accessor(
      env, object, "disposed",
      [handle](const Napi::CallbackInfo& info) {
        return Napi::Boolean::New(info.Env(), handle->value == nullptr);
      },
      napi_enumerable));
  return object;
}

/// What is behind an argument; refuses other objects.
template <class T>
const Handle<T>& handle_of(const Reader& argument) {
  const Napi::Value value = argument.value();
  bool tagged = false;
  if (value.IsObject()) napi_check_object_type_tag(value.Env(), value, &HandleTraits<T>::tag, &tagged);
  if (!tagged) argument.refuse(std::string("a ") + HandleTraits<T>::name);
  void* data = nullptr;
  napi_unwrap(value.Env(), value, &data);
  return **static_cast<std::shared_ptr<Handle<T>>*>(data);
}

/// The value behind an argument; refuses other objects and disposed handles.
template <class T>
std::shared_ptr<T> from_handle(const Reader& argument) {
  return handle_of<T>(argument).get();
}
/// The same for jobs that write it; refuses what another job claimed, too.
template <class T>
std::shared_ptr<T> to_write(const Reader& argument) {
  return handle_of<T>(argument).get_to_write();
}

}  // namespace coppice
