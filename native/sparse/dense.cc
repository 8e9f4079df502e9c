#include "sparse/dense.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>

#include "device/stopwatch.h"
#include "graph/convolution.h"

namespace coppice::sparse {
namespace {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;
using Scalars = c10::List<std::optional<at::Scalar>>;

/// oneDNN's fused operations are registered without C++ headers of their own.
template <class Signature>
auto operation(const char* name, const char* overload) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

at::Tensor pack_weight(const Product& product, const at::Tensor& weight, std::vector<int64_t> input) {
  using Pack = at::Tensor(const at::Tensor&, c10::SymIntArrayRef, c10::SymIntArrayRef, c10::SymIntArrayRef,
                          c10::SymInt, at::OptionalSymIntArrayRef);
  const std::vector<c10::SymInt> padding(2, product.padding), stride(2, product.stride), dilation(2, 1);
  const std::vector<c10::SymInt> size(input.begin(), input.end());
  static const auto pack = operation<Pack>("mkldnn::_reorder_convolution_weight", "");
  return pack.call(weight, padding, stride, dilation, 1, at::OptionalSymIntArrayRef(size));
}

/// The same with a tensor added.
at::Tensor convolution_and_sum(const at::Tensor& x, const at::Tensor& more, const at::Tensor& packed,
                               const at::Tensor& bias, const Product& product, bool relu) {
  using Add = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                         const std::optional<at::Tensor>&, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef,
                         int64_t, std::string_view, std::optional<at::Scalar>,
                         std::optional<std::string_view>, Scalars, std::optional<std::string_view>);
  const std::vector<int64_t> padding(2, product.padding), stride(2, product.stride), dilation(2, 1);
  static const auto convolve = operation<Add>("mkldnn::_convolution_pointwise", "binary");
  return convolve.call(x, more, packed, bias, padding, stride, dilation, 1, "add", std::nullopt,
                       relu ? std::optional<std::string_view>("relu") : std::nullopt, Scalars(),
                       std::nullopt);
}

using Convolve = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                            at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t, std::string_view,
                            Scalars, std::optional<std::string_view>);

/// Throws c10::Error where this libtorch has no such operation, or another one.
const c10::TypedOperatorHandle<Convolve>& convolve_operation() {
  static const auto convolve = operation<Convolve>("mkldnn::_convolution_pointwise", "");
  return convolve;
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                       const Product& product, bool relu) {
  const std::vector<int64_t> padding(2, product.padding), stride(2, product.stride), dilation(2, 1);
  return convolve_operation().call(x, packed, bias, padding, stride, dilation, 1, relu ? "relu" : "none",
                                   Scalars(), std::nullopt);
}

/// With operands that may be rounded to TF32, whatever the process's setting is.
at::Tensor rounded_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                               const Product& product) {
  const std::vector<int64_t> padding(2, product.padding), stride(2, product.stride), dilation(2, 1);
  return at::cudnn_convolution(x, weight, padding, stride, dilation, 1,
                               /*benchmark=*/at::globalContext().benchmarkCuDNN(), /*deterministic=*/false,
                               /*allow_tf32=*/true)
      .add_(bias.view({1, -1, 1, 1}));
}

class Dense final : public Program {
 public:
  Dense(std::shared_ptr<const Stages> stages, const DenseOptions& options)
      : shared_(std::move(stages)), stages_(*shared_), options_(options), prepared_(stages_.stages.size()) {
    const at::Device device = options_.device;
    if (options_.prepacked) convolve_operation();
    const auto row = [device](const std::vector<float>& values) {
      return at::tensor(at::ArrayRef<float>(values), at::kFloat).to(device);
    };
    for (size_t index = 0; index < prepared_.size(); ++index) {
      const Stage& stage = stages_.stages[index];
      Prepared& p = prepared_[index];
      if (stage.product) {
        p.linear = stage.product->kernel_height == stages_.values[stage.input].height &&
                   stage.product->kernel_width == stages_.values[stage.input].width &&
                   stage.product->padding == 0;
        p.weight = stage.product->weight.to(device, options_.type);
        p.weight = p.linear ? p.weight.flatten(1) : p.weight.contiguous(kChannelsLast);
        p.bias = row(stage.bias).narrow(0, 0, p.weight.size(0)).to(options_.type);
        if (!p.linear && options_.prepacked) {
          const Value& in = stages_.values[stage.input];
          p.packed =
              pack_weight(*stage.product, p.weight, {options_.batch, in.channels, in.height, in.width});
        }
      }
      if (!stage.scale.empty()) {
        p.scale = row(stage.scale), p.shift = row(stage.shift);
        p.zeros = at::zeros_like(p.scale), p.ones = at::ones_like(p.scale);
      }
    }
  }

  void run(const float* images, int64_t n, float* logits) override { pass(images, n, logits, nullptr); }

  std::vector<StageReport> profile(const float* images, int64_t n) override {
    std::vector<StageReport> reports;
    const at::Tensor logits = at::empty({n, stages_.values[stages_.stages.back().output].channels},
                                        at::TensorOptions().dtype(at::kFloat).device(options_.device));
    pass(images, n, logits.mutable_data_ptr<float>(), &reports);
    return reports;
  }

  std::string name() const override {
    const char* type = options_.type == at::kFloat ? "fp32" : options_.type == at::kHalf ? "fp16" : "bf16";
    return std::string("dense ") + type + ", libtorch" +
           (options_.prepacked ? " with oneDNN's layouts and fusions" : "") + (options_.tf32 ? ", TF32" : "");
  }
  int64_t bytes() const override {
    int64_t total = 0;
    for (const Prepared& p : prepared_)
      for (const at::Tensor& tensor : {p.weight, p.bias, p.scale, p.shift})
        if (tensor.defined()) total += static_cast<int64_t>(tensor.nbytes());
    return total;
  }

 private:
  struct Prepared {
    bool linear = false;
    at::Tensor weight, packed, bias, scale, shift, zeros, ones;
  };

  void pass(const float* images, int64_t n, float* logits, std::vector<StageReport>* reports) {
    const at::NoGradGuard no_grad;
    const Threads threads(options_.threads);
    const Value& image = stages_.values.front();
    std::vector<at::Tensor> values(stages_.values.size());
    values[0] = floats_at(images, {n, image.channels, image.height, image.width})
                    .to(options_.type)
                    .contiguous(kChannelsLast);
    Stopwatch watch(options_.device);
    for (size_t index = 0; index < prepared_.size(); ++index) {
      const Stage& stage = stages_.stages[index];
      watch.start();
      values[stage.output] = apply(stage, prepared_[index], values);
      if (reports == nullptr) continue;
      const double seconds = watch.seconds();
      const int64_t positions = unpooled(stages_, stage).pixels();
      const int64_t macs = stage.product ? stage.product->weight.numel() * positions : 0;
      reports->push_back({stage.name, stage.node, stage.product ? "dense" : "", seconds, macs, macs, macs});
    }
    const at::Tensor result = values[stages_.stages.back().output].flatten(1);
    floats_at(logits, result.sizes()).copy_(result);
  }

  at::Tensor apply(const Stage& stage, const Prepared& p, std::vector<at::Tensor>& values) const {
    at::Tensor x = values[stage.input];
    bool relu = stage.relu, summed = false;
    if (stage.reshape) return x.contiguous().flatten(1).unsqueeze(-1).unsqueeze(-1);
    if (stage.product) {
      if (p.linear) {
        x = at::linear(x.contiguous().flatten(1), p.weight, p.bias).unsqueeze(-1).unsqueeze(-1);
      } else if (options_.prepacked) {
        const bool fuse = relu && stage.raw < 0 && stage.scale.empty();
        x = stage.residual < 0
                ? convolution(x, p.packed, p.bias, *stage.product, fuse)
                : convolution_and_sum(x, values[stage.residual], p.packed, p.bias, *stage.product, fuse);
        summed = stage.residual >= 0;
        relu &= !fuse;
      } else if (options_.tf32) {
        x = rounded_convolution(x, p.weight, p.bias, *stage.product);
      } else {
        const bool fuse = relu && stage.raw < 0 && stage.scale.empty() && x.is_cuda();
        x = convolve(x, {p.weight, p.bias, stage.product->stride, stage.product->padding},
                     fuse && stage.residual >= 0 ? values[stage.residual] : at::Tensor(), fuse);
        summed = fuse;
        relu &= !fuse;
      }
    }
    const bool own = stage.product.has_value();
    if (stage.residual >= 0 && !summed)
      x = own ? x.add_(values[stage.residual]) : at::add(x, values[stage.residual]);
    if (stage.raw >= 0) values[stage.raw] = x;
    const bool overwrite = (own || stage.residual >= 0) && stage.raw < 0;
    if (p.scale.defined()) x = at::batch_norm(x, p.scale, p.shift, p.zeros, p.ones, false, 0.0, 0.0, false);
    if (relu) x = overwrite || p.scale.defined() ? x.relu_() : at::relu(x);
    if (stage.pool)
      x = stage.pool->max ? at::max_pool2d(x, stage.pool->kernel, stage.pool->stride)
                          : at::avg_pool2d(x, stage.pool->kernel, stage.pool->stride);
    return x;
  }

  /// Somebody's floats on the program's device, in libtorch's hands.
  at::Tensor floats_at(const float* floats, at::IntArrayRef sizes) const {
    return at::for_blob(const_cast<float*>(floats), sizes)
        .options(at::TensorOptions().dtype(at::kFloat).device(options_.device))
        .target_device(options_.device)
        .make_tensor();
  }

  /// Sets libtorch's threads while it lives.
  class Threads {
   public:
    explicit Threads(int threads) : before_(at::get_num_threads()) {
      if (threads != before_) at::set_num_threads(threads);
    }
    ~Threads() { at::set_num_threads(before_); }

   private:
    const int before_;
  };

  const std::shared_ptr<const Stages> shared_;
  const Stages& stages_;
  const DenseOptions options_;
  std::vector<Prepared> prepared_;
};

}  // namespace

std::unique_ptr<Program> dense_program(std::shared_ptr<const Stages> stages, const DenseOptions& options) {
  return std::make_unique<Dense>(std::move(stages), options);
}

}  // namespace coppice::sparse
