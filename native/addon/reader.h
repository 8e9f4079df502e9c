// Reads JavaScript arguments with every value checked at the door; errors name the path of the value.
#pragma once
#include <ATen/ATen.h>
#include <napi.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace coppice {

class Reader {
 public:
  Reader(Napi::Value value, std::string path) : value_(value), path_(std::move(path)) {}

  /// A property of an object.
  Reader operator[](const char* key) const;
  Reader at(uint32_t index) const;
  bool missing() const { return value_.IsUndefined() || value_.IsNull(); }
  bool object() const { return value_.IsObject(); }
  uint32_t length() const;  ///< of an array

  double number(double low, double high) const;
  int64_t integer(int64_t low, int64_t high) const;
  bool flag() const;
  std::string text() const;
  std::vector<double> numbers() const;  ///< a JavaScript array
  /// What a table of { name, value } has for the text. `more` is what else may stand there, for the message.
  template <class T, size_t size>
  T one_of(const std::pair<const char*, T> (&table)[size], const char* more = nullptr) const;
  /// The row whose `name` the text is.
  template <class Row, size_t size>
  const Row& row_of(const Row (&table)[size]) const;
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
  /// The same: one of these, "a, b or c".
  [[noreturn]] void refuse(const std::vector<const char*>& expected) const;

 private:
  Napi::TypedArray typed(napi_typedarray_type type, const char* name) const;
  Napi::Value value_;
  std::string path_;
};

template <class T, size_t size>
T Reader::one_of(const std::pair<const char*, T> (&table)[size], const char* more) const {
  std::vector<const char*> names;
  const std::string wanted = value_.IsString() ? text() : "";
  for (const auto& [name, value] : table) {
    if (wanted == name) return value;
    names.push_back(name);
  }
  if (more != nullptr) names.push_back(more);
  refuse(names);
}

template <class Row, size_t size>
const Row& Reader::row_of(const Row (&table)[size]) const {
  std::vector<const char*> names;
  const std::string wanted = value_.IsString() ? text() : "";
  for (const Row& row : table) {
    if (wanted == row.name) return row;
    names.push_back(row.name);
  }
  refuse(names);
}

/// The alternative of a variant whose `name` the object has under `tag`, read by the alternative itself:
/// whoever adds one has nothing to do here.
template <class Variant>
Variant read_variant(const Reader& object, const char* tag = "kind") {
  return [&]<size_t... index>(std::index_sequence<index...>) {
    const Reader tagged = object[tag];
    const std::string wanted = tagged.text();
    std::optional<Variant> found;
    const auto read = [&]<class Kind>(std::in_place_type_t<Kind>) {
      if (wanted == Kind::name) found.emplace(Kind::read(object));
      return found.has_value();
    };
    if (!(read(std::in_place_type<std::variant_alternative_t<index, Variant>>) || ...))
      tagged.refuse(std::vector<const char*>{std::variant_alternative_t<index, Variant>::name...});
    return *std::move(found);
  }
  (std::make_index_sequence<std::variant_size_v<Variant>>());
}

}  // namespace coppice
