// The methods of bounds: a row of facts each. A method that combines them anew is a row here and one in
// bindings/boundMethods.ts, which says what it costs.
#pragma once
#include "bounds/relaxation.h"
#include "graph/operation.h"

namespace coppice {

struct BoundMethod {
  const char* name;
  Fact<bool> backward;     ///< margins by a backward pass to the image, else by interval bounds
  Fact<bool> inside;       ///< backward passes bound what nonlinear nodes read, too
  Fact<LowerSlope> slope;  ///< of a ReLU's lower line in backward passes
  Fact<bool> optimised;    ///< the lower lines of the margins' pass are optimised for every image
};

/// Interval bound propagation (Gowal et al., 2018).
inline constexpr BoundMethod kInterval{.name = "interval",
                                       .backward = false,
                                       .inside = false,
                                       .slope = LowerSlope::kAdaptive,
                                       .optimised = false};
/// Wang et al., 2018; equal to Fast-Lin, DeepZ and Wong–Kolter.
inline constexpr BoundMethod kSymbolic{
    .name = "symbolic", .backward = true, .inside = true, .slope = LowerSlope::kParallel, .optimised = false};

inline constexpr BoundMethod kBoundMethods[] = {
    kInterval,
    // Zhang et al., 2020.
    {.name = "crownIbp",
     .backward = true,
     .inside = false,
     .slope = LowerSlope::kAdaptive,
     .optimised = false},
    kSymbolic,
    // Zhang et al., 2018.
    {.name = "crown", .backward = true, .inside = true, .slope = LowerSlope::kAdaptive, .optimised = false},
    // Xu et al., 2021.
    {.name = "alphaCrown",
     .backward = true,
     .inside = true,
     .slope = LowerSlope::kAdaptive,
     .optimised = true},
};

}  // namespace coppice
