#include "bounds/interval_kernels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include "device/vectorised.h"

namespace coppice {
namespace {

constexpr int64_t kGrain = 1 << 15;  ///< elements a thread should have at least
constexpr int64_t kRun = 1 << 14;    ///< elements whose two maps stay in the nearest caches

// NaN stays NaN in all of these: a comparison with it is false. And a centre that overflowed makes its radius
// NaN, as it is no bound.

COPPICE_VECTORISED void run_of_faces(int64_t n, const float* image, float epsilon, float relative,
                                     float absolute, float least, float most, float* lower, float* upper) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float size = image[i] < 0 ? -image[i] : image[i], error = (size + epsilon) * relative + absolute;
    float low = image[i] - epsilon - error, high = image[i] + epsilon + error;
    // An image may itself lie outside [0,1].
    low = low < least ? least : low;
    high = high > most ? most : high;
    lower[i] = low > high ? high : low;
    upper[i] = low > high ? low : high;
  }
}

COPPICE_VECTORISED void run_of_range(int64_t n, const float* lower, const float* upper, float relative,
                                     float absolute, float* centre, float* radius) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float middle = (lower[i] + upper[i]) * 0.5f, half = (upper[i] - lower[i]) * 0.5f;
    const float size = middle < 0 ? -middle : middle;
    centre[i] = middle;
    radius[i] = half * (1 + relative) + size * relative + absolute;
  }
}

COPPICE_VECTORISED void run_of_ends(int64_t n, float* centre, float* radius) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float size = radius[i] + centre[i] * 0, lower = centre[i] - size, upper = centre[i] + size;
    centre[i] = lower;
    radius[i] = upper;
  }
}

COPPICE_VECTORISED int32_t run_of_relu(int64_t n, float* centre, float* radius, float relative,
                                       float absolute) {
  int32_t crossing = 0;
#pragma omp simd reduction(+ : crossing)
  for (int64_t i = 0; i < n; ++i) {
    const float size = radius[i] + centre[i] * 0, lower = centre[i] - size, upper = centre[i] + size;
    crossing += (lower < 0) & (upper > 0);
    const float low = lower < 0 ? 0 : lower, high = upper < 0 ? 0 : upper;
    // Neither is negative, so that the centre is its own magnitude.
    const float middle = (low + high) * 0.5f, half = (high - low) * 0.5f;
    centre[i] = middle;
    radius[i] = half * (1 + relative) + middle * relative + absolute;
  }
  return crossing;
}

/// Calls run(begin, size) for pieces of all elements, in parallel, and adds up what it gives.
template <class Run>
int64_t in_runs(int64_t count, Run run) {
  std::atomic<int64_t> total = 0;
  at::parallel_for(0, count, kGrain, [&](int64_t begin, int64_t end) {
    int64_t sum = 0;
    for (int64_t i = begin; i < end; i += kRun) sum += run(i, std::min(kRun, end - i));
    total += sum;
  });
  return total;
}

}  // namespace

void faces_of_box(int64_t count, const float* image, double epsilon, Growth outward, bool clip, float* lower,
                  float* upper) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  in_runs(count, [&](int64_t at, int64_t size) {
    run_of_faces(size, image + at, static_cast<float>(epsilon), static_cast<float>(outward.relative),
                 static_cast<float>(outward.absolute), clip ? 0 : -kInfinity, clip ? 1 : kInfinity,
                 lower + at, upper + at);
    return 0;
  });
}

void centre_and_radius(int64_t count, const float* lower, const float* upper, Growth growth, float* centre,
                       float* radius) {
  in_runs(count, [&](int64_t at, int64_t size) {
    run_of_range(size, lower + at, upper + at, static_cast<float>(growth.relative),
                 static_cast<float>(growth.absolute), centre + at, radius + at);
    return 0;
  });
}

void replace_by_ends(int64_t count, float* centre, float* radius) {
  in_runs(count, [&](int64_t at, int64_t size) {
    run_of_ends(size, centre + at, radius + at);
    return 0;
  });
}

int64_t rectify_in_place(int64_t count, float* centre, float* radius, Growth growth) {
  return in_runs(count, [&](int64_t at, int64_t size) {
    return run_of_relu(size, centre + at, radius + at, static_cast<float>(growth.relative),
                       static_cast<float>(growth.absolute));
  });
}

}  // namespace coppice
