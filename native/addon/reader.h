// Reads JavaScript arguments with every value checked at the door; errors name the path of the value.
#pragma once
#include <ATen/ATen.h>
#include <napi.h>

#include <string>
#include <vector>

namespace coppice {

class Reader {
 public:
  Reader(Napi::Value value, std::string path) : value_(value), path_(std::move(path)) {}

  /// A property of an object.
  Reader operator[](const char* key) const;
  Reader at(uint32_t index) const;
  bool missing() const { return value_.IsUndefined() || value_.IsNull(); }
  uint32_t length() const;  ///< of an array

  double number(double low, double high) const;
  int64_t integer(int64_t low, int64_t high) const;
  bool flag() const;
  std::string text() const;
  std::vector<double> numbers() const;  ///< a JavaScript array
  Napi::Function function() const;
  Napi::Value value() const { return value_; }
  const std::string& path() const { return path_; }

  /// Copies of typed arrays.
  std::vector<uint32_t> uint32s() const;
  std::vector<int32_t> int32s() const;
  std::vector<double> float64s() const;
  at::Tensor bytes() const;                      ///< Uint8Array
  at::Tensor floats(at::ScalarType type) const;  ///< Float32Array or Float64Array, converted

  [[noreturn]] void refuse(const std::string& expected) const;

 private:
  Napi::TypedArray typed(napi_typedarray_type type, const char* name) const;
  Napi::Value value_;
  std::string path_;
};

}  // namespace coppice
