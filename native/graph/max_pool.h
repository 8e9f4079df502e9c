// Max pooling of values channels last, with ReLU before it at no cost, and its gradient.
#pragma once
#include <ATen/ATen.h>

#include "graph/operation.h"

namespace coppice {

/// Windows of at most this many places have winners.
inline constexpr int64_t kPoolPlaces = 255;

struct Pooled {
  at::Tensor values;
  /// uint8 [n, height, width, channels]: which place of its window each value comes from, the first of
  /// equals; 255 where no gradient flows, since ReLU gives 0.
  at::Tensor winners;
};

/// Max pooling of x, or of ReLU(x). NaN wins, as in libtorch.
Pooled max_pool(const at::Tensor& x, const MaxPool2d& pool, bool relu);

/// The gradient with respect to x of sum(gradient * values): shaped like x, [n, channels, height, width].
at::Tensor max_pool_gradient(const at::Tensor& gradient, const at::Tensor& winners, const MaxPool2d& pool,
                             at::IntArrayRef shape);

/// Max pooling that autograd records. Windows of more than kPoolPlaces places are libtorch's business.
at::Tensor differentiable_max_pool(const at::Tensor& x, const MaxPool2d& pool);

}  // namespace coppice
