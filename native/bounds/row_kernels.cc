#include "bounds/row_kernels.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "device/vectorised.h"

namespace coppice {
namespace {

constexpr int64_t kGrain = 1 << 15;  ///< elements a thread should have at least

COPPICE_VECTORISED void relax_run(int64_t n, const float* values, float* out, const float* lower,
                                  const float* upper, const float* intercept, double* low, double* high) {
  for (int64_t begin = 0; begin < n; begin += kRunTerms) {
    const int64_t end = std::min(n, begin + kRunTerms);
    float below = 0, above = 0;
#pragma omp simd reduction(+ : below, above)
    for (int64_t i = begin; i < end; ++i) {
      const float positive = values[i] > 0 ? values[i] : 0, negative = values[i] > 0 ? 0 : values[i];
      out[i] = positive * lower[i] + negative * upper[i];
      below += negative * intercept[i];
      above += positive * intercept[i];
    }
    *low += below;
    *high += above;
  }
}

COPPICE_VECTORISED void relax_run_backward(int64_t n, const float* values, const float* gradient, float low,
                                           float high, const LineMaps& lines, float* out,
                                           const LineGradients& to) {
  const float *lower = lines.lower, *upper = lines.upper, *intercept = lines.intercept;
  float *of_lower = to.lower, *of_upper = to.upper, *of_intercept = to.intercept;
  if (lower == upper) {
    // Parallel lines: one gradient of their common slope.
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const float constant = values[i] > 0 ? high : low;
      out[i] = gradient[i] * upper[i] + constant * intercept[i];
      of_upper[i] += gradient[i] * values[i];
      of_intercept[i] += constant * values[i];
    }
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const bool positive = values[i] > 0;
    const float constant = positive ? high : low, moved = gradient[i] * values[i];
    out[i] = gradient[i] * (positive ? lower[i] : upper[i]) + constant * intercept[i];
    of_lower[i] += positive ? moved : 0;
    of_upper[i] += positive ? 0 : moved;
    of_intercept[i] += constant * values[i];
  }
}

COPPICE_VECTORISED void concretize_run(int64_t n, const float* values, const float* lower, const float* upper,
                                       double* low, double* high) {
  for (int64_t begin = 0; begin < n; begin += kRunTerms) {
    const int64_t end = std::min(n, begin + kRunTerms);
    float below = 0, above = 0;
#pragma omp simd reduction(+ : below, above)
    for (int64_t i = begin; i < end; ++i) {
      const float positive = values[i] > 0 ? values[i] : 0, negative = values[i] > 0 ? 0 : values[i];
      below += positive * lower[i] + negative * upper[i];
      above += positive * upper[i] + negative * lower[i];
    }
    *low += below;
    *high += above;
  }
}

COPPICE_VECTORISED void concretize_run_backward(int64_t n, const float* values, const float* lower,
                                                const float* upper, float low, float high, float* out) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i)
    out[i] = values[i] > 0 ? low * lower[i] + high * upper[i] : low * upper[i] + high * lower[i];
}

COPPICE_VECTORISED double weigh_run(int64_t n, const float* values, const float* map) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kRunTerms) {
    const int64_t end = std::min(n, begin + kRunTerms);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += (values[i] < 0 ? -values[i] : values[i]) * map[i];
    total += sum;
  }
  return total;
}

COPPICE_VECTORISED double dot_run(int64_t n, const float* values, const double* factors) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(values[i]) * factors[i];
  return sum;
}

/// Calls run(n, place among the coefficients, place in the map) for each stretch of row `row` that lies
/// inside its map, on map rows [from, to), and outside(n, place) for each that does not.
template <class Run, class Outside>
void for_each_run(const RowLayout& l, int64_t row, int64_t image, int64_t from, int64_t to, Run run,
                  Outside outside) {
  const int64_t top = l.stride * l.y[row] + l.offset, left = l.stride * l.x[row] + l.offset;
  const int64_t begin = std::clamp<int64_t>(-left, 0, l.width);
  const int64_t end = std::clamp<int64_t>(l.map_width - left, begin, l.width);
  for (int64_t i = 0; i < l.height; ++i) {
    const int64_t place = (row * l.height + i) * l.width * l.channels;
    const int64_t map_row = top + i;
    if (map_row < 0 || map_row >= l.map_height) {
      if (from == 0) outside(l.width * l.channels, place);
      continue;
    }
    if (map_row < from || map_row >= to) continue;
    outside(begin * l.channels, place);
    if (end > begin)
      run((end - begin) * l.channels, place + begin * l.channels,
          ((image * l.map_height + map_row) * l.map_width + left + begin) * l.channels);
    outside((l.width - end) * l.channels, place + end * l.channels);
  }
}

template <class Body>
void for_each_row(const RowLayout& l, Body body) {
  const int64_t size = std::max<int64_t>(1, l.height * l.width * l.channels);
  at::parallel_for(0, l.rows, std::max<int64_t>(1, kGrain / size), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

/// How far the lower line of a row lies from the entry of its image.
int64_t lower_shift(const RowLayout& l, const LineMaps& lines, int64_t row) {
  return (lines.lower_of_row[row] - l.sample[row]) * l.map_height * l.map_width * l.channels;
}

}  // namespace

void relax_rows(const RowLayout& l, const LineMaps& lines, const float* values, float* out, double* low,
                double* high) {
  for_each_row(l, [&](int64_t row) {
    double below = 0, above = 0;
    const int64_t image = l.sample[row];
    const int64_t shift = lower_shift(l, lines, row);
    for_each_run(
        l, row, image, 0, l.map_height,
        [&](int64_t n, int64_t place, int64_t cell) {
          relax_run(n, values + place, out + place, lines.lower + cell + shift, lines.upper + cell,
                    lines.intercept + cell, &below, &above);
        },
        [&](int64_t n, int64_t place) { std::fill_n(out + place, n, 0.0f); });
    low[row] = below;
    high[row] = above;
  });
}

void relax_rows_backward(const RowLayout& l, const LineMaps& lines, const float* values,
                         const float* gradient, const double* low, const double* high, float* out,
                         const LineGradients& to) {
  const auto pass = [&](int64_t row, int64_t from_row, int64_t to_row) {
    const int64_t image = l.sample[row];
    const int64_t shift = lower_shift(l, lines, row);
    for_each_run(
        l, row, image, from_row, to_row,
        [&](int64_t n, int64_t place, int64_t cell) {
          relax_run_backward(
              n, values + place, gradient + place, static_cast<float>(low[row]),
              static_cast<float>(high[row]),
              {lines.lower + cell + shift, lines.upper + cell, lines.intercept + cell, nullptr}, out + place,
              {to.lower + cell + shift, to.upper + cell, to.intercept + cell});
        },
        [&](int64_t n, int64_t place) { std::fill_n(out + place, n, 0.0f); });
  };
  if (l.map_height > 1) {
    // Rows of an image add to the same maps: each thread has map rows of its own.
    at::parallel_for(0, l.map_height, 1, [&](int64_t from, int64_t until) {
      for (int64_t row = 0; row < l.rows; ++row) pass(row, from, until);
    });
  } else {
    for (int64_t row = 0; row < l.rows; ++row) pass(row, 0, 1);
  }
}

void concretize_rows(const RowLayout& l, const float* lower, const float* upper, const float* values,
                     double* low, double* high) {
  for_each_row(l, [&](int64_t row) {
    double below = 0, above = 0;
    for_each_run(
        l, row, l.sample[row], 0, l.map_height,
        [&](int64_t n, int64_t place, int64_t cell) {
          concretize_run(n, values + place, lower + cell, upper + cell, &below, &above);
        },
        [](int64_t, int64_t) {});
    low[row] = below;
    high[row] = above;
  });
}

void concretize_rows_backward(const RowLayout& l, const float* lower, const float* upper, const float* values,
                              const double* low, const double* high, float* out) {
  for_each_row(l, [&](int64_t row) {
    for_each_run(
        l, row, l.sample[row], 0, l.map_height,
        [&](int64_t n, int64_t place, int64_t cell) {
          concretize_run_backward(n, values + place, lower + cell, upper + cell, static_cast<float>(low[row]),
                                  static_cast<float>(high[row]), out + place);
        },
        [&](int64_t n, int64_t place) { std::fill_n(out + place, n, 0.0f); });
  });
}

void dot_rows(const RowLayout& l, const double* line, const float* values, double* out) {
  const int64_t size = l.width * l.channels;
  for_each_row(l, [&](int64_t row) {
    double total = 0;
    for (int64_t i = 0; i < l.height; ++i) total += dot_run(size, values + (row * l.height + i) * size, line);
    out[row] = total;
  });
}

void weigh_rows(const RowLayout& l, const float* map, const float* values, double* out) {
  for_each_row(l, [&](int64_t row) {
    double total = 0;
    for_each_run(
        l, row, l.sample[row], 0, l.map_height,
        [&](int64_t n, int64_t place, int64_t cell) { total += weigh_run(n, values + place, map + cell); },
        [](int64_t, int64_t) {});
    out[row] = total;
  });
}

}  // namespace coppice
