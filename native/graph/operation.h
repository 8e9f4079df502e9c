// The operations of a network. Each states every fact that analyses ask of it and reads itself from a spec;
// what differs in more than facts is a rule of its analysis, in a visit that has one for every operation.
#pragma once
#include <cstdint>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "device/limits.h"

namespace coppice {

/// A fact has no default: an operation that leaves one out does not compile.
template <class T>
struct Fact {
  constexpr Fact(T stated) : value(stated) {}
  constexpr operator T() const { return value; }
  T value;
};

/// What the outputs are of the inputs; of batch norm in evaluation mode.
enum class Form {
  kAffine,       ///< y = A·x + b
  kElementwise,  ///< a nonlinear function of each value by itself
  kNonlinear,    ///< any other
};

/// The numbers that an operation comes with.
enum class Numbers {
  kNone,
  kConstants,   ///< `mean` and `std`, one for each channel, from the spec
  kPerChannel,  ///< scale and shift, trained, and running statistics
  kWeight,      ///< a weight, trained and prunable, that starts by `init`, and a bias
};

struct Facts {
  Fact<int> inputs;  ///< how many
  Fact<Form> form;
  Fact<Numbers> numbers;
  Fact<bool> mixes_channels;  ///< a value of the output depends on several channels of an input
  Fact<bool> mixes_pixels;    ///< and on several pixels
  /// Whether the output is memory of its own that its backward pass does not read, so that a sole reader may
  /// overwrite it.
  Fact<bool> overwritable;
};

/// How a weight starts (lib/networks/spec.ts `Initialisation`).
struct Initialisation {
  enum class Rule { kKaimingFanOut, kKaimingFanIn, kTorch, kNormal } rule = Rule::kKaimingFanOut;
  double std = 0;  ///< of kNormal

  static constexpr std::pair<const char*, Rule> kRules[] = {{"kaimingFanOut", Rule::kKaimingFanOut},
                                                            {"kaimingFanIn", Rule::kKaimingFanIn},
                                                            {"torch", Rule::kTorch}};

  template <class Reader>
  static Initialisation read(const Reader& init) {
    if (init.object()) return {Rule::kNormal, init["normal"].number(0, limits::kDeviation)};
    return {init.one_of(kRules, "{ normal: std }"), 0};
  }
};

struct Normalize {
  static constexpr const char* name = "normalize";
  static constexpr Facts facts{.inputs = 1,
                               .form = Form::kAffine,
                               .numbers = Numbers::kConstants,
                               .mixes_channels = false,
                               .mixes_pixels = false,
                               .overwritable = false};
  std::vector<double> mean, std;

  template <class Reader>
  static Normalize read(const Reader& node) {
    Normalize normalize{node["mean"].numbers(), node["std"].numbers()};
    for (const double std : normalize.std)
      if (!(std > 0)) node["std"].refuse("positive numbers");
    return normalize;
  }
};

struct Conv2d {
  static constexpr const char* name = "conv2d";
  static constexpr Facts facts{.inputs = 1,
                               .form = Form::kAffine,
                               .numbers = Numbers::kWeight,
                               .mixes_channels = true,
                               .mixes_pixels = true,
                               .overwritable = true};
  int64_t channels, kernel, stride, padding;
  bool bias;
  Initialisation init;

  template <class Reader>
  static Conv2d read(const Reader& node) {
    return {node["channels"].integer(1, limits::kSize),
            node["kernel"].integer(1, limits::kSize),
            node["stride"].integer(1, limits::kSize),
            node["padding"].integer(0, limits::kSize),
            node["bias"].flag(),
            Initialisation::read(node["init"])};
  }
};

struct BatchNorm2d {
  static constexpr const char* name = "batchNorm2d";
  static constexpr Facts facts{.inputs = 1,
                               .form = Form::kAffine,
                               .numbers = Numbers::kPerChannel,
                               .mixes_channels = false,
                               .mixes_pixels = false,
                               .overwritable = true};
  double epsilon, momentum;

  template <class Reader>
  static BatchNorm2d read(const Reader& node) {
    return {node["epsilon"].number(limits::kBatchNormEpsilon[0], limits::kBatchNormEpsilon[1]),
            node["momentum"].number(0, 1)};
  }
};

struct Relu {
  static constexpr const char* name = "relu";
  static constexpr Facts facts{.inputs = 1,
                               .form = Form::kElementwise,
                               .numbers = Numbers::kNone,
                               .mixes_channels = false,
                               .mixes_pixels = false,
                               .overwritable = false};

  template <class Reader>
  static Relu read(const Reader&) {
    return {};
  }
};

struct MaxPool2d {
  static constexpr const char* name = "maxPool2d";
  static constexpr Facts facts{.inputs = 1,
                               .form = Form::kNonlinear,
                               .numbers = Numbers::kNone,
                               .mixes_channels = false,
                               .mixes_pixels = true,
                               .overwritable = false};
  int64_t kernel, stride;

  template <class Reader>
  static MaxPool2d read(const Reader& node) {
    return {node["kernel"].integer(1, limits::kSize), node["stride"].integer(1, limits::kSize)};
  }
};

struct AveragePool2d {
  static constexpr const char* name = "averagePool2d";
  static constexpr Facts facts{.inputs = 1,
                               .form = Form::kAffine,
                               .numbers = Numbers::kNone,
                               .mixes_channels = false,
                               .mixes_pixels = true,
                               .overwritable = false};
  int64_t kernel, stride;

  template <class Reader>
  static AveragePool2d read(const Reader& node) {
    return {node["kernel"].integer(1, limits::kSize), node["stride"].integer(1, limits::kSize)};
  }
};

struct Flatten {
  static constexpr const char* name = "flatten";
  static constexpr Facts facts{.inputs = 1,
                               .form = Form::kAffine,
                               .numbers = Numbers::kNone,
                               .mixes_channels = false,
                               .mixes_pixels = false,
                               .overwritable = false};

  template <class Reader>
  static Flatten read(const Reader&) {
    return {};
  }
};

struct Linear {
  static constexpr const char* name = "linear";
  static constexpr Facts facts{.inputs = 1,
                               .form = Form::kAffine,
                               .numbers = Numbers::kWeight,
                               .mixes_channels = true,
                               .mixes_pixels = true,
                               .overwritable = true};
  int64_t features;
  bool bias;
  Initialisation init;

  template <class Reader>
  static Linear read(const Reader& node) {
    return {node["features"].integer(1, limits::kSize), node["bias"].flag(),
            Initialisation::read(node["init"])};
  }
};

struct Add {
  static constexpr const char* name = "add";
  static constexpr Facts facts{.inputs = 2,
                               .form = Form::kAffine,
                               .numbers = Numbers::kNone,
                               .mixes_channels = false,
                               .mixes_pixels = false,
                               .overwritable = true};

  template <class Reader>
  static Add read(const Reader&) {
    return {};
  }
};

/// The closed set of operations; an analysis visits it, so one that forgets an operation does not compile.
using Operation =
    std::variant<Normalize, Conv2d, BatchNorm2d, Relu, MaxPool2d, AveragePool2d, Flatten, Linear, Add>;

/// What std::visit needs to choose among lambdas.
template <class... Rules>
struct Rule : Rules... {
  using Rules::operator()...;
};
template <class... Rules>
Rule(Rules...) -> Rule<Rules...>;

inline const Facts& facts(const Operation& operation) {
  return std::visit([](const auto& op) -> const Facts& { return op.facts; }, operation);
}

/// The same while compiling: `Op` is the type of an operation, or decltype of what a visit gets.
template <class Op>
inline constexpr const Facts& facts_of = std::decay_t<Op>::facts;

/// Its name in a spec.
inline const char* name_of(const Operation& operation) {
  return std::visit([](const auto& op) { return op.name; }, operation);
}

}  // namespace coppice
