// Linear functions of a node's values, many at once: what a backward bound pass carries from the bounded
// neurons down to the image.
//
// Each row bounds one neuron of one image. A neuron of a convolution sees only a window of the maps before it
// (its receptive field), so a row holds coefficients for that window alone. Where a window reaches over the
// edge of a map, into the padding, coefficients are zero after every step here.
#pragma once
#include <ATen/ATen.h>

namespace coppice {

/// Of which image and where in its map each bounded neuron lies: int64 [rows] each.
struct Rows {
  at::Tensor sample, y, x;
  int64_t count() const { return sample.size(0); }
};

/// Where the coefficients of a row lie in a map: rows `stride`·y + `offset` and `height` of them, the same
/// for columns. Stride 0 stands for the whole map.
struct Window {
  int64_t stride, offset, height, width;
  bool whole() const { return stride == 0; }
  static Window all(int64_t height, int64_t width) { return {0, 0, height, width}; }
};

/// [rows, channels, window height, window width] channels last, or [rows, features].
struct Coefficients {
  at::Tensor values;
  Window window;
};

/// Two lines that enclose a ReLU on the range of its input x: lower_slope·x ≤ relu(x) ≤ upper_slope·x +
/// upper_intercept. Each is shaped like the input of the ReLU, channels last.
struct Lines {
  at::Tensor lower_slope, upper_slope, upper_intercept;
  /// Row → entry of lower_slope's first dimension, where rows have lower lines of their own; else undefined.
  at::Tensor lower_of_row;
};

/// What rows gained besides coefficients: double [rows]. `high` belongs to upper bounds and is only
/// meaningful where both lines have the same slope.
struct Constants {
  at::Tensor low, high;
};

/// Replaces coefficients of a ReLU's outputs by ones of its inputs: the lower line where a coefficient is
/// positive, the upper one where it is negative. Overwrites `values` when no gradient is recorded.
Constants relax(Coefficients& rows_of_output, const Rows& rows, const Lines& lines);

/// Least and greatest value of each row over the box [lower, upper] of its image: double [rows].
Constants concretize(const Coefficients& coefficients, const Rows& rows, const at::Tensor& lower,
                     const at::Tensor& upper);

/// Σ |coefficient| · map, double [rows]; `map` is shaped like the node. Not differentiable.
at::Tensor weigh(const Coefficients& coefficients, const Rows& rows, const at::Tensor& map);

/// Σ coefficient · factor of its channel, double [rows].
at::Tensor weigh_channels(const Coefficients& coefficients, const Rows& rows, const at::Tensor& factors);

/// How many products the sums of `relax`, `concretize` and `weigh` add up in the arithmetic of coefficients;
/// and how many coefficients those of `weigh_channels` do.
int64_t terms_of_sums(const Coefficients& coefficients);
int64_t terms_of_channels(const Coefficients& coefficients);

/// The same rows over whole maps of the given size; what lies outside is dropped.
Coefficients over_whole_map(const Coefficients& coefficients, const Rows& rows, int64_t height,
                            int64_t width);

/// The windows' part of a map [images, channels, height, width], per row, zero outside: [rows, channels,
/// window height, window width]. Of [images, features]: [rows, features].
at::Tensor gather(const at::Tensor& map, const at::Tensor& image_of_row, const Window& window,
                  const Rows& rows);

/// Place of every window element in its map, [rows, height·width], and whether it lies inside.
struct Cells {
  at::Tensor index, inside;
};
Cells cells(const Window& window, const Rows& rows, int64_t height, int64_t width);

}  // namespace coppice
