// The step of FAB; one function per image, shared by CPU and CUDA.
#pragma once
#include "attack/ascent.h"

namespace coppice {

/// Towards where the lead of the target class, linearised at x, is 0: x and the image are both projected onto
/// that plane within [0,1], in L∞, and the step overshoots between the two (Croce and Hein, 2020b, algorithm
/// 1 and section 3.2). In place. Rows of `size` values.
template <class T>
struct BoundaryStep {
  T* x;
  const T* images;
  const T* gradient;  ///< of the lead
  const T* leads;     ///< logit of the target class less that of the label, at x
  int64_t count, size;
};

inline constexpr double kOvershoot = 1.05;  ///< η
inline constexpr double kMostBias = 0.1;    ///< α_max: how far to go from the image rather than from x

/// Sums go by lanes, as vectors do, so that their order is the same everywhere.
inline constexpr int kSumLanes = 16;

/// A point moves by −side·sign(w)·min(λ, room), room being what the value has left in [0,1]; this is how far
/// that takes it: Σ|w|·min(λ, room), and the slope in λ.
template <class T>
struct Reach {
  T distance, slope, furthest;
};

template <class T>
COPPICE_FORCED_INLINE T room_of(T point, T weight, T side) {
  return side * weight > T(0) ? point : T(1) - point;
}

template <class T>
COPPICE_FORCED_INLINE Reach<T> reach_of(const T* point, const T* weights, int64_t size, T side, T lambda) {
  T distance[kSumLanes] = {}, slope[kSumLanes] = {}, furthest[kSumLanes] = {};
  const auto add = [&](int lane, int64_t i) {
    const T w = weights[i] < T(0) ? -weights[i] : weights[i];
    const T room = room_of(point[i], weights[i], side);
    const T move = w > T(0) ? (room < lambda ? room : lambda) : T(0);
    distance[lane] += w * move;
    slope[lane] += room > lambda ? w : T(0);
    furthest[lane] = move > furthest[lane] ? move : furthest[lane];
  };
  int64_t i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes)
    for (int lane = 0; lane < kSumLanes; ++lane) add(lane, i + lane);
  for (; i < size; ++i) add(0, i);
  Reach<T> all{};
  for (int lane = 0; lane < kSumLanes; ++lane) {
    all.distance += distance[lane];
    all.slope += slope[lane];
    all.furthest = furthest[lane] > all.furthest ? furthest[lane] : all.furthest;
  }
  return all;
}

/// A projection: λ, the side of the plane that the point is on, and the greatest change of a value.
template <class T>
struct Projection {
  T lambda, side, furthest;
};

/// The least λ whose reach is `height` beside the plane, or 1, all the room there is, where none is enough.
/// Newton's method from 0: the reach is concave and piecewise linear in λ, so that it comes from below and
/// ends on the piece that has the answer.
template <class T>
COPPICE_FORCED_INLINE Projection<T> project(const T* point, const T* weights, int64_t size, T height) {
  const T side = height < T(0) ? T(-1) : T(1);
  const T goal = side * height;
  T lambda = 0;
  Reach<T> reach = reach_of(point, weights, size, side, lambda);
  for (int step = 0; step < 100 && reach.distance < goal; ++step) {
    const T next = reach.slope > T(0) ? lambda + (goal - reach.distance) / reach.slope : T(1);
    if (!(next > lambda) || lambda >= T(1)) break;
    const T slope = reach.slope;
    lambda = next < T(1) ? next : T(1);
    reach = reach_of(point, weights, size, side, lambda);
    if (reach.slope == slope) break;
  }
  return {lambda, side, reach.furthest};
}

template <class T>
COPPICE_FORCED_INLINE T projected(const Projection<T>& p, T point, T weight) {
  const T room = room_of(point, weight, p.side);
  const T move = room < p.lambda ? room : p.lambda;
  const T sign = static_cast<T>((weight > T(0)) - (weight < T(0)));
  return point - static_cast<T>(kOvershoot) * p.side * sign * move;
}

template <class T>
COPPICE_FORCED_INLINE void boundary_row(const BoundaryStep<T>& s, int64_t row) {
  T* x = s.x + row * s.size;
  const T* image = s.images + row * s.size;
  const T* w = s.gradient + row * s.size;
  T away[kSumLanes] = {};
  int64_t i = 0;
  for (; i + kSumLanes <= s.size; i += kSumLanes)
    for (int lane = 0; lane < kSumLanes; ++lane) away[lane] += w[i + lane] * (image[i + lane] - x[i + lane]);
  for (; i < s.size; ++i) away[0] += w[i] * (image[i] - x[i]);
  T at_image = s.leads[row];
  for (int lane = 0; lane < kSumLanes; ++lane) at_image += away[lane];

  const Projection<T> here = project(static_cast<const T*>(x), w, s.size, s.leads[row]);
  const Projection<T> there = project(image, w, s.size, at_image);
  const T least = static_cast<T>(1e-8);
  const T a = here.furthest > least ? here.furthest : least;
  const T b = there.furthest > least ? there.furthest : least;
  const T share = a / (a + b), most = static_cast<T>(kMostBias);
  const T bias = share < most ? share : most;
  for (i = 0; i < s.size; ++i) {
    const T moved = (T(1) - bias) * projected(here, x[i], w[i]) + bias * projected(there, image[i], w[i]);
    x[i] = clip(moved, T(0), T(1));
  }
}

#ifdef COPPICE_WITH_CUDA
void boundary_step_cuda(const BoundaryStep<float>& s, void* stream);
void boundary_step_cuda(const BoundaryStep<double>& s, void* stream);
#endif

}  // namespace coppice
