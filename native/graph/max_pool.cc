#include "graph/max_pool.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "device/device.h"
#include "device/vectorised.h"
#include "graph/max_pool_kernels.h"

namespace coppice {
namespace {

constexpr int kLanes = 16;  ///< channels at once

template <class T>
COPPICE_FORCED_INLINE void pool_row(const Pooling<T>& p, int64_t image, int64_t row) {
  for (int64_t column = 0; column < p.shape.columns; ++column) {
    int64_t channel = 0;
    for (; channel + kLanes <= p.shape.channels; channel += kLanes)
      pool_block<kLanes>(p, image, row, column, channel);
    for (; channel < p.shape.channels; ++channel) pool_block<1>(p, image, row, column, channel);
  }
}

template <class T>
COPPICE_FORCED_INLINE void gradient_row(const PoolingGradient<T>& p, const Windows* columns, int64_t image,
                                        int64_t y) {
  const Windows rows = windows_at(y, p.shape.rows, p.shape);
  for (int64_t x = 0; x < p.shape.width; ++x) {
    int64_t channel = 0;
    for (; channel + kLanes <= p.shape.channels; channel += kLanes)
      pool_gradient_block<kLanes>(p, image, y, rows, x, columns[x], channel);
    for (; channel < p.shape.channels; ++channel)
      pool_gradient_block<1>(p, image, y, rows, x, columns[x], channel);
  }
}

// Templates have no clones for instruction sets.
COPPICE_VECTORISED void run_of_row(const Pooling<float>& p, int64_t image, int64_t row) {
  pool_row(p, image, row);
}
COPPICE_VECTORISED void run_of_row(const Pooling<double>& p, int64_t image, int64_t row) {
  pool_row(p, image, row);
}
COPPICE_VECTORISED void run_of_row(const Pooling<c10::BFloat16>& p, int64_t image, int64_t row) {
  pool_row(p, image, row);
}
COPPICE_VECTORISED void run_of_row(const PoolingGradient<float>& p, const Windows* columns, int64_t image,
                                   int64_t y) {
  gradient_row(p, columns, image, y);
}
COPPICE_VECTORISED void run_of_row(const PoolingGradient<double>& p, const Windows* columns, int64_t image,
                                   int64_t y) {
  gradient_row(p, columns, image, y);
}
COPPICE_VECTORISED void run_of_row(const PoolingGradient<c10::BFloat16>& p, const Windows* columns,
                                   int64_t image, int64_t y) {
  gradient_row(p, columns, image, y);
}

/// Each of `rows` rows of each image.
template <class Body>
void for_rows(const PoolShape& shape, int64_t rows, Body&& body) {
  at::parallel_for(0, shape.n * rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i / rows, i % rows);
  });
}

template <class T>
void pool_into(const PoolShape& shape, const at::Tensor& x, bool relu, Pooled& out) {
  const Pooling<T> p{shape, x.const_data_ptr<T>(), out.values.mutable_data_ptr<T>(),
                     out.winners.mutable_data_ptr<uint8_t>(), relu};
  on_device(
      x.device(),
      [&] { for_rows(shape, shape.rows, [&](int64_t image, int64_t row) { run_of_row(p, image, row); }); },
      [&](void* stream) { COPPICE_CUDA_ONLY(pool_cuda(p, stream)); });
}

template <class T>
void gradient_into(const PoolShape& shape, const at::Tensor& gradient, const at::Tensor& winners,
                   at::Tensor& out) {
  const PoolingGradient<T> p{shape, gradient.const_data_ptr<T>(), winners.const_data_ptr<uint8_t>(),
                             out.mutable_data_ptr<T>()};
  on_device(
      gradient.device(),
      [&] {
        std::vector<Windows> columns(shape.width);
        for (int64_t x = 0; x < shape.width; ++x) columns[x] = windows_at(x, shape.columns, shape);
        for_rows(shape, shape.height,
                 [&](int64_t image, int64_t y) { run_of_row(p, columns.data(), image, y); });
      },
      [&](void* stream) { COPPICE_CUDA_ONLY(pool_gradient_cuda(p, stream)); });
}

template <class Body>
void with_type(at::ScalarType type, Body&& body) {
  if (type == at::kDouble) return body(double{});
  if (type == at::kBFloat16) return body(c10::BFloat16{});
  TORCH_CHECK(type == at::kFloat, "max pooling of ", type);
  body(float{});
}

PoolShape shape_of(at::IntArrayRef x, const MaxPool2d& pool, int64_t rows, int64_t columns) {
  return {x[0], x[2], x[3], x[1], rows, columns, pool.kernel, pool.stride};
}

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

struct MaxPooling : torch::autograd::Function<MaxPooling> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, int64_t kernel,
                            int64_t stride) {
    Pooled pooled = max_pool(x, {kernel, stride}, false);
    context->saved_data["kernel"] = kernel;
    context->saved_data["stride"] = stride;
    context->saved_data["shape"] = x.sizes().vec();
    context->save_for_backward({pooled.winners});
    return pooled.values;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               const torch::autograd::tensor_list& gradients) {
    auto& saved = context->saved_data;
    const MaxPool2d pool{saved["kernel"].toInt(), saved["stride"].toInt()};
    return {max_pool_gradient(gradients[0], context->get_saved_variables()[0], pool,
                              saved["shape"].toIntVector()),
            {},
            {}};
  }
};

}  // namespace

Pooled max_pool(const at::Tensor& x, const MaxPool2d& pool, bool relu) {
  const at::Tensor in = x.contiguous(kChannelsLast);
  const int64_t rows = (in.size(2) - pool.kernel) / pool.stride + 1,
                columns = (in.size(3) - pool.kernel) / pool.stride + 1;
  const std::vector<int64_t> sizes{in.size(0), in.size(1), rows, columns};
  Pooled out{at::empty(sizes, in.options(), kChannelsLast),
             at::empty(sizes, in.options().dtype(at::kByte), kChannelsLast)};
  with_type(in.scalar_type(), [&](auto zero) {
    pool_into<decltype(zero)>(shape_of(in.sizes(), pool, rows, columns), in, relu, out);
  });
  return out;
}

at::Tensor max_pool_gradient(const at::Tensor& gradient, const at::Tensor& winners, const MaxPool2d& pool,
                             at::IntArrayRef shape) {
  const at::Tensor in = gradient.contiguous(kChannelsLast);
  at::Tensor out = at::empty(shape, in.options(), kChannelsLast);
  with_type(in.scalar_type(), [&](auto zero) {
    gradient_into<decltype(zero)>(shape_of(shape, pool, in.size(2), in.size(3)), in, winners, out);
  });
  return out;
}

at::Tensor differentiable_max_pool(const at::Tensor& x, const MaxPool2d& pool) {
  if (pool.kernel * pool.kernel > kPoolPlaces) return at::max_pool2d(x, pool.kernel, pool.stride);
  return MaxPooling::apply(x, pool.kernel, pool.stride);
}

}  // namespace coppice
