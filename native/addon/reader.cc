#include "addon/reader.h"

#include <cmath>
#include <cstring>

#include "device/limits.h"

namespace coppice {
namespace {

constexpr uint32_t kLongestArray = 1u << 20;

/// What was received, for messages: "a string", "NaN", "[object Map]".
std::string received(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
      return "nothing";
    case napi_null:
      return "null";
    case napi_boolean:
      return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number: {
      char text[32];
      std::snprintf(text, sizeof text, "%g", value.As<Napi::Number>().DoubleValue());
      return text;
    }
    case napi_string:
      return "'" + value.As<Napi::String>().Utf8Value().substr(0, 60) + "'";
    case napi_function:
      return "a function";
    case napi_object:
      return value.IsArray()        ? "an array"
             : value.IsTypedArray() ? "another kind of typed array"
                                    : "an object";
    default:
      return "a value of another type";
  }
}

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

const void* start_of(const Napi::TypedArray& array) {
  return static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
}

template <class T>
std::vector<T> copied(const Napi::TypedArray& array) {
  std::vector<T> out(array.ElementLength());
  if (!out.empty()) std::memcpy(out.data(), start_of(array), out.size() * sizeof(T));
  return out;
}

at::Tensor copied(const Napi::TypedArray& array, at::ScalarType type) {
  at::Tensor out = at::empty({static_cast<int64_t>(array.ElementLength())}, type);
  if (out.numel() > 0) std::memcpy(out.data_ptr(), start_of(array), out.nbytes());
  return out;
}

}  // namespace

void Reader::refuse(const std::string& expected) const {
  throw std::invalid_argument(path_ + " must be " + expected + ", got " + received(value_));
}

void Reader::refuse(const std::vector<const char*>& expected) const {
  std::string list;
  for (size_t i = 0; i < expected.size(); ++i)
    list += (i == 0 ? "" : i + 1 == expected.size() ? " or " : ", ") + std::string(expected[i]);
  refuse(list);
}

Reader Reader::operator[](const char* key) const {
  if (!value_.IsObject()) refuse("an object");
  return {value_.As<Napi::Object>().Get(key), path_ + "." + key};
}

Reader Reader::at(uint32_t index) const {
  return {value_.As<Napi::Array>().Get(index), path_ + "[" + std::to_string(index) + "]"};
}

uint32_t Reader::length() const {
  if (!value_.IsArray()) refuse("an array");
  const uint32_t length = value_.As<Napi::Array>().Length();
  if (length > kLongestArray) throw std::invalid_argument(path_ + " is too long: " + std::to_string(length));
  return length;
}

double Reader::number(double low, double high) const {
  const double number = value_.IsNumber() ? value_.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= low && number <= high))
    refuse("a number between " + text_of(low) + " and " + text_of(high));
  return number;
}

int64_t Reader::integer(int64_t low, int64_t high) const {
  const double number = value_.IsNumber() ? value_.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) ||
      number != std::floor(number))
    refuse("an integer between " + std::to_string(low) + " and " + std::to_string(high));
  return static_cast<int64_t>(number);
}

bool Reader::flag() const {
  if (!value_.IsBoolean()) refuse("true or false");
  return value_.As<Napi::Boolean>().Value();
}

std::string Reader::text() const {
  if (!value_.IsString()) refuse("a string");
  return value_.As<Napi::String>().Utf8Value();
}

std::vector<double> Reader::numbers() const {
  std::vector<double> out(length());
  for (uint32_t i = 0; i < out.size(); ++i)
    out[i] = at(i).number(-limits::kNormalisation, limits::kNormalisation);
  return out;
}

Napi::Function Reader::function() const {
  if (!value_.IsFunction()) refuse("a function");
  return value_.As<Napi::Function>();
}

Napi::TypedArray Reader::typed(napi_typedarray_type type, const char* name) const {
  if (!value_.IsTypedArray() || value_.As<Napi::TypedArray>().TypedArrayType() != type) refuse(name);
  const auto array = value_.As<Napi::TypedArray>();
  napi_value buffer = nullptr;
  bool own = false;
  napi_get_typedarray_info(value_.Env(), array, nullptr, nullptr, nullptr, &buffer, nullptr);
  napi_is_arraybuffer(value_.Env(), buffer, &own);
  if (!own) refuse(std::string(name) + " on an ArrayBuffer that is not shared");
  return array;
}

std::vector<uint32_t> Reader::uint32s() const {
  return copied<uint32_t>(typed(napi_uint32_array, "a Uint32Array"));
}
std::vector<int32_t> Reader::int32s() const {
  return copied<int32_t>(typed(napi_int32_array, "an Int32Array"));
}
std::vector<double> Reader::float64s() const {
  return copied<double>(typed(napi_float64_array, "a Float64Array"));
}
at::Tensor Reader::bytes() const { return copied(typed(napi_uint8_array, "a Uint8Array"), at::kByte); }

at::Tensor Reader::floats(at::ScalarType type) const {
  const bool wide =
      value_.IsTypedArray() && value_.As<Napi::TypedArray>().TypedArrayType() == napi_float64_array;
  const at::Tensor out =
      wide ? copied(typed(napi_float64_array, ""), at::kDouble)
           : copied(typed(napi_float32_array, "a Float32Array or a Float64Array"), at::kFloat);
  return out.to(type);
}

}  // namespace coppice
