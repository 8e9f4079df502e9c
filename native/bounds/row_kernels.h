// Fused fp32 kernels of the backward bound pass on the CPU: each reads every coefficient once.
#pragma once
#include <cstdint>

namespace coppice {

/// Products that are summed in fp32, one after the other at worst, before their sum goes to double.
constexpr int64_t kRunTerms = 128;

/// Rows of coefficients [rows, height, width, channels] and where their windows lie in maps [images,
/// map_height, map_width, channels].
struct RowLayout {
  const int64_t *sample, *y, *x;
  int64_t rows, height, width, channels;
  int64_t stride, offset;
  int64_t map_height, map_width;
};

/// Maps of a ReLU's lines; which entry of `lower` each row takes.
struct LineMaps {
  const float *lower, *upper, *intercept;
  const int64_t* lower_of_row;
};

/// out may be values. low and high are set.
void relax_rows(const RowLayout& layout, const LineMaps& lines, const float* values, float* out, double* low,
                double* high);

struct LineGradients {
  float *lower, *upper, *intercept;  ///< added to; of parallel lines `upper` gets both and `lower` nothing
};

/// Gradients of relax_rows: `gradient` of out, `low` and `high` of the constants; `out` is set.
void relax_rows_backward(const RowLayout& layout, const LineMaps& lines, const float* values,
                         const float* gradient, const double* low, const double* high, float* out,
                         const LineGradients& of_lines);

void concretize_rows(const RowLayout& layout, const float* lower, const float* upper, const float* values,
                     double* low, double* high);
void concretize_rows_backward(const RowLayout& layout, const float* lower, const float* upper,
                              const float* values, const double* low, const double* high, float* out);

/// out[row] = Σ value · factor of its channel, in double. `line`: the factors of one row of pixels.
void dot_rows(const RowLayout& layout, const double* line, const float* values, double* out);

void weigh_rows(const RowLayout& layout, const float* map, const float* values, double* out);

}  // namespace coppice
