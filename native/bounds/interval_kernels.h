// Fused fp32 kernels of interval bounds on the CPU: each goes once through two maps that lie alike in memory.
#pragma once
#include <cstdint>

namespace coppice {

/// A radius r around c becomes r·(1 + relative) + |c|·relative + absolute.
struct Growth {
  double relative = 0, absolute = 0;
};

/// Faces of the box of ε around an image, moved outwards by `outward`, relative to what was added, and
/// clipped to [0,1] or not.
void faces_of_box(int64_t count, const float* image, double epsilon, Growth outward, bool clip, float* lower,
                  float* upper);

/// Centre and grown radius of [lower, upper].
void centre_and_radius(int64_t count, const float* lower, const float* upper, Growth growth, float* centre,
                       float* radius);

/// Centres become lower ends, and radii upper ones.
void replace_by_ends(int64_t count, float* centre, float* radius);

/// Centres and radii become those of max(x, 0), which grow. Gives how many of the ranges crossed zero.
int64_t rectify_in_place(int64_t count, float* centre, float* radius, Growth growth);

}  // namespace coppice
