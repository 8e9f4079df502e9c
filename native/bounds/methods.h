// The methods of bounds by name.
#pragma once
#include <utility>

#include "bounds/bounds.h"

namespace coppice {

inline constexpr std::pair<const char*, BoundMethod> kBoundMethods[] = {
    {"interval", BoundMethod::kInterval},
    {"crownIbp", BoundMethod::kCrownIbp},
    {"symbolic", BoundMethod::kSymbolic},
    {"crown", BoundMethod::kCrown},
    {"alphaCrown", BoundMethod::kAlphaCrown}};

}  // namespace coppice
