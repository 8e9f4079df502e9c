#include "bounds/rows.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "bounds/row_kernels.h"

namespace coppice {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// As [rows, channels, height, width]; features are channels of one pixel.
at::Tensor as_maps(const at::Tensor& values) {
  return values.dim() == 2 ? values.unsqueeze(-1).unsqueeze(-1) : values;
}

bool fused(const at::Tensor& values) { return values.is_cpu() && values.scalar_type() == at::kFloat; }

at::Tensor channels_last(const at::Tensor& tensor) {
  return tensor.dim() == 4 ? tensor.contiguous(at::MemoryFormat::ChannelsLast) : tensor.contiguous();
}

/// `map`: any map of the node, for its size.
RowLayout layout_of(const at::Tensor& values, const at::Tensor& map, const Window& window, const Rows& rows) {
  const at::Tensor v = as_maps(values), m = as_maps(map);
  TORCH_CHECK(window.whole() ? v.size(2) == m.size(2) && v.size(3) == m.size(3)
                             : v.size(2) == window.height && v.size(3) == window.width,
              "coefficients do not fit their window");
  return {rows.sample.const_data_ptr<int64_t>(),
          rows.y.const_data_ptr<int64_t>(),
          rows.x.const_data_ptr<int64_t>(),
          rows.count(),
          v.size(2),
          v.size(3),
          v.size(1),
          window.stride,
          window.offset,
          m.size(2),
          m.size(3)};
}

at::Tensor row_sums(const at::Tensor& rows) { return rows.flatten(1).sum(1, false, at::kDouble); }

at::Tensor new_constants(const Rows& rows) {
  return at::empty({rows.count()}, rows.sample.options().dtype(at::kDouble));
}

std::vector<int64_t> packed(const Window& w) { return {w.stride, w.offset, w.height, w.width}; }
Window unpacked(const c10::IValue& value) {
  const std::vector<int64_t> sizes = value.toIntVector();
  return {sizes[0], sizes[1], sizes[2], sizes[3]};
}

// --- relax

LineMaps maps_of(const Lines& lines) {
  return {lines.lower_slope.const_data_ptr<float>(), lines.upper_slope.const_data_ptr<float>(),
          lines.upper_intercept.const_data_ptr<float>(), lines.lower_of_row.const_data_ptr<int64_t>()};
}

/// As kernels take them.
Lines complete(Lines lines, const Rows& rows) {
  if (!lines.lower_of_row.defined()) lines.lower_of_row = rows.sample;
  lines.lower_slope = channels_last(lines.lower_slope);
  lines.upper_slope = channels_last(lines.upper_slope);
  lines.upper_intercept = channels_last(lines.upper_intercept);
  return lines;
}

struct Relax : torch::autograd::Function<Relax> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& values, const at::Tensor& lower,
                               const at::Tensor& upper, const at::Tensor& intercept, const Rows& rows,
                               const Window& window, const at::Tensor& lower_of_row) {
    ctx->save_for_backward({values, lower, upper, intercept, rows.sample, rows.y, rows.x, lower_of_row});
    ctx->saved_data["window"] = packed(window);
    const at::Tensor out = at::empty_like(values);
    const at::Tensor low = new_constants(rows), high = new_constants(rows);
    relax_rows(layout_of(values, upper, window, rows), maps_of({lower, upper, intercept, lower_of_row}),
               values.const_data_ptr<float>(), out.data_ptr<float>(), low.data_ptr<double>(),
               high.data_ptr<double>());
    return {out, low, high};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &values = saved[0], &lower = saved[1], &upper = saved[2], &intercept = saved[3];
    const Rows rows{saved[4], saved[5], saved[6]};
    const Window window = unpacked(ctx->saved_data["window"]);
    const at::Tensor gradient = channels_last(gradients[0]);
    const at::Tensor low = gradients[1].contiguous(), high = gradients[2].contiguous();
    const bool parallel = lower.is_alias_of(upper);
    const at::Tensor of_values = at::empty_like(values);
    const at::Tensor of_lower = parallel ? at::Tensor() : at::zeros_like(lower);
    const at::Tensor of_upper = at::zeros_like(upper), of_intercept = at::zeros_like(intercept);
    relax_rows_backward(layout_of(values, upper, window, rows), maps_of({lower, upper, intercept, saved[7]}),
                        values.const_data_ptr<float>(), gradient.const_data_ptr<float>(),
                        low.const_data_ptr<double>(), high.const_data_ptr<double>(),
                        of_values.data_ptr<float>(),
                        {parallel ? nullptr : of_lower.data_ptr<float>(), of_upper.data_ptr<float>(),
                         of_intercept.data_ptr<float>()});
    return {of_values, of_lower, of_upper, of_intercept, {}, {}, {}};
  }
};

// --- concretize

struct Concretize : torch::autograd::Function<Concretize> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& values, const at::Tensor& lower,
                               const at::Tensor& upper, const Rows& rows, const Window& window) {
    ctx->save_for_backward({values, lower, upper, rows.sample, rows.y, rows.x});
    ctx->saved_data["window"] = packed(window);
    const at::Tensor low = new_constants(rows), high = new_constants(rows);
    concretize_rows(layout_of(values, lower, window, rows), lower.const_data_ptr<float>(),
                    upper.const_data_ptr<float>(), values.const_data_ptr<float>(), low.data_ptr<double>(),
                    high.data_ptr<double>());
    return {low, high};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &values = saved[0], &lower = saved[1], &upper = saved[2];
    const Rows rows{saved[3], saved[4], saved[5]};
    const Window window = unpacked(ctx->saved_data["window"]);
    const at::Tensor low = gradients[0].contiguous(), high = gradients[1].contiguous();
    const at::Tensor of_values = at::empty_like(values);
    concretize_rows_backward(layout_of(values, lower, window, rows), lower.const_data_ptr<float>(),
                             upper.const_data_ptr<float>(), values.const_data_ptr<float>(),
                             low.const_data_ptr<double>(), high.const_data_ptr<double>(),
                             of_values.data_ptr<float>());
    return {of_values, {}, {}, {}, {}};
  }
};

}  // namespace

Cells cells(const Window& window, const Rows& rows, int64_t height, int64_t width) {
  const auto options = rows.y.options();
  const at::Tensor y =
      (rows.y * window.stride + window.offset).unsqueeze(1) + at::arange(window.height, options).unsqueeze(0);
  const at::Tensor x =
      (rows.x * window.stride + window.offset).unsqueeze(1) + at::arange(window.width, options).unsqueeze(0);
  const at::Tensor inside_y = y.ge(0).logical_and(y.lt(height)), inside_x = x.ge(0).logical_and(x.lt(width));
  const at::Tensor index = y.clamp(0, height - 1).unsqueeze(2) * width + x.clamp(0, width - 1).unsqueeze(1);
  return {index.flatten(1), inside_y.unsqueeze(2).logical_and(inside_x.unsqueeze(1)).flatten(1)};
}

at::Tensor gather(const at::Tensor& map, const at::Tensor& image_of_row, const Window& window,
                  const Rows& rows) {
  if (window.whole()) return map.index_select(0, image_of_row);
  const int64_t height = map.size(2), width = map.size(3), channels = map.size(1);
  const Cells place = cells(window, rows, height, width);
  const at::Tensor flat = map.permute({0, 2, 3, 1}).reshape({-1, channels});
  const at::Tensor index = (place.index + (image_of_row * (height * width)).unsqueeze(1)).flatten();
  return (flat.index_select(0, index) * place.inside.flatten().unsqueeze(1))
      .view({rows.count(), window.height, window.width, channels})
      .permute({0, 3, 1, 2});
}

Constants relax(Coefficients& of, const Rows& rows, const Lines& given) {
  if (fused(of.values)) {
    const Lines lines = complete(given, rows);
    at::Tensor values = channels_last(of.values);
    const auto wanted = [](const at::Tensor& t) { return t.requires_grad(); };
    if (at::GradMode::is_enabled() && (wanted(values) || wanted(lines.lower_slope) ||
                                       wanted(lines.upper_slope) || wanted(lines.upper_intercept))) {
      const variable_list out = Relax::apply(values, lines.lower_slope, lines.upper_slope,
                                             lines.upper_intercept, rows, of.window, lines.lower_of_row);
      of.values = out[0];
      return {out[1], out[2]};
    }
    const Constants constants{new_constants(rows), new_constants(rows)};
    relax_rows(layout_of(values, lines.upper_slope, of.window, rows), maps_of(lines),
               values.const_data_ptr<float>(), values.data_ptr<float>(), constants.low.data_ptr<double>(),
               constants.high.data_ptr<double>());
    of.values = values;
    return constants;
  }
  const at::Tensor lower = gather(
      given.lower_slope, given.lower_of_row.defined() ? given.lower_of_row : rows.sample, of.window, rows);
  const at::Tensor upper = gather(given.upper_slope, rows.sample, of.window, rows);
  const at::Tensor intercept = gather(given.upper_intercept, rows.sample, of.window, rows);
  const at::Tensor positive = at::relu(of.values), negative = of.values - positive;
  of.values = positive * lower + negative * upper;
  return {row_sums(negative * intercept), row_sums(positive * intercept)};
}

Constants concretize(const Coefficients& of, const Rows& rows, const at::Tensor& lower,
                     const at::Tensor& upper) {
  const bool of_box = lower.requires_grad() || upper.requires_grad();
  if (fused(of.values) && !of_box) {
    const at::Tensor values = channels_last(of.values), low = channels_last(lower),
                     high = channels_last(upper);
    if (at::GradMode::is_enabled() && values.requires_grad()) {
      const variable_list out = Concretize::apply(values, low, high, rows, of.window);
      return {out[0], out[1]};
    }
    const Constants constants{new_constants(rows), new_constants(rows)};
    concretize_rows(layout_of(values, low, of.window, rows), low.const_data_ptr<float>(),
                    high.const_data_ptr<float>(), values.const_data_ptr<float>(),
                    constants.low.data_ptr<double>(), constants.high.data_ptr<double>());
    return constants;
  }
  const at::Tensor low = gather(lower, rows.sample, of.window, rows);
  const at::Tensor high = gather(upper, rows.sample, of.window, rows);
  const at::Tensor positive = at::relu(of.values), negative = of.values - positive;
  return {row_sums(positive * low + negative * high), row_sums(positive * high + negative * low)};
}

at::Tensor weigh(const Coefficients& of, const Rows& rows, const at::Tensor& map) {
  if (!fused(of.values)) return row_sums(of.values.abs() * gather(map, rows.sample, of.window, rows));
  const at::Tensor values = channels_last(of.values), weights = channels_last(map);
  const at::Tensor out = new_constants(rows);
  weigh_rows(layout_of(values, weights, of.window, rows), weights.const_data_ptr<float>(),
             values.const_data_ptr<float>(), out.data_ptr<double>());
  return out;
}

at::Tensor weigh_channels(const Coefficients& of, const Rows& rows, const at::Tensor& factors) {
  if (!fused(of.values) || at::GradMode::is_enabled()) {
    const at::Tensor sums = of.values.dim() == 4 ? of.values.sum({2, 3}) : of.values;
    return sums.to(at::kDouble).matmul(factors.to(at::kDouble));
  }
  const at::Tensor values = channels_last(of.values), maps = as_maps(values);
  const at::Tensor line = factors.to(at::kDouble).repeat({maps.size(3)});
  const at::Tensor out = new_constants(rows);
  dot_rows(layout_of(values, values, Window::all(maps.size(2), maps.size(3)), rows),
           line.const_data_ptr<double>(), values.const_data_ptr<float>(), out.data_ptr<double>());
  return out;
}

int64_t terms_of_sums(const Coefficients& of) {
  return fused(of.values) ? kRunTerms : of.values.numel() / std::max<int64_t>(1, of.values.size(0));
}

int64_t terms_of_channels(const Coefficients& of) {
  return fused(of.values) ? 0 : of.values.numel() / std::max<int64_t>(1, of.values.size(0));
}

Coefficients over_whole_map(const Coefficients& of, const Rows& rows, int64_t height, int64_t width) {
  if (of.window.whole()) return of;
  const Cells place = cells(of.window, rows, height, width);
  const int64_t channels = of.values.size(1);
  const at::Tensor inside =
      of.values.permute({0, 2, 3, 1}).reshape({rows.count(), -1, channels}) * place.inside.unsqueeze(2);
  const at::Tensor whole = at::zeros({rows.count(), height * width, channels}, of.values.options())
                               .scatter_add(1, place.index.unsqueeze(2).expand({-1, -1, channels}), inside);
  return {whole.view({rows.count(), height, width, channels}).permute({0, 3, 1, 2}),
          Window::all(height, width)};
}

}  // namespace coppice
