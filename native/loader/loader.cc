// Maps libtorch by absolute path before the main addon is required, so that the main addon needs no search
// path: glibc satisfies its DT_NEEDED entries by the SONAMEs that are mapped already. Links nothing but
// libdl.
#include <dlfcn.h>
#include <link.h>
#include <napi.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

std::string stringArgument(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (info.Length() <= index || !info[index].IsString()) {
    throw Napi::TypeError::New(info.Env(), std::string("expected a string for ") + what);
  }
  return info[index].As<Napi::String>();
}

std::string lastError() {
  const char* text = dlerror();
  return text != nullptr ? text : "unknown error of the dynamic linker";
}

// open(path): maps a shared library and all it needs, until the process ends: libtorch cannot be unmapped
// safely.
void openLibrary(const Napi::CallbackInfo& info) {
  const std::string path = stringArgument(info, 0, "the path of a library");
  if (path.empty() || path.front() != '/') {
    throw Napi::TypeError::New(info.Env(), "expected an absolute path but received '" + path + "'");
  }
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) throw Napi::Error::New(info.Env(), lastError());
}

// mapped(soname): the file of a library that the process has mapped already, or null.
Napi::Value mapped(const Napi::CallbackInfo& info) {
  const std::string name = stringArgument(info, 0, "the name of a library");
  void* handle = dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return info.Env().Null();
  link_map* map = nullptr;
  const bool known = dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr;
  const std::string file = known ? map->l_name : name;
  dlclose(handle);
  return Napi::String::New(info.Env(), file);
}

// torchVersion(): `major.minor.patch` of the libtorch that is mapped, by its own word, or null.
Napi::Value torchVersion(const Napi::CallbackInfo& info) {
  void* handle = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return info.Env().Null();
  auto version = reinterpret_cast<uint64_t (*)()>(dlsym(handle, "aoti_torch_abi_version"));
  dlclose(handle);
  if (version == nullptr) return info.Env().Null();
  // [major][minor][patch], one byte each from the top (torch/headeronly/version.h)
  const uint64_t value = version();
  const auto byte = [value](int shift) { return std::to_string((value >> shift) & 0xff); };
  return Napi::String::New(info.Env(), byte(56) + "." + byte(48) + "." + byte(40));
}

// setDefault(name, value): sets an environment variable of the process unless it is set. In a worker thread
// `process.env` is a copy, which libraries do not see.
void setDefault(const Napi::CallbackInfo& info) {
  const std::string name = stringArgument(info, 0, "the name of a variable");
  setenv(name.c_str(), stringArgument(info, 1, "its value").c_str(), 0);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New(env, openLibrary));
  exports.Set("mapped", Napi::Function::New(env, mapped));
  exports.Set("torchVersion", Napi::Function::New(env, torchVersion));
  exports.Set("setDefault", Napi::Function::New(env, setDefault));
  return exports;
}

}  // namespace

NODE_API_MODULE(coppice_loader, init)
