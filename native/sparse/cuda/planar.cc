#include "sparse/cuda/planar.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "device/device.h"
#include "device/stopwatch.h"
#include "graph/unsupported.h"
#include "sparse/cuda/columns.h"

namespace coppice::sparse::cuda {
namespace {

/// Images that go through the network together, at most: the values of a layer then mostly stay in the second
/// cache.
constexpr int64_t kMostImages = 512;

/// The kernels pool windows of 2 × 2 after a product; other windows become stages of their own.
Stages with_pools_apart(const Stages& stages) {
  Stages result{stages.values, {}};
  for (const Stage& stage : stages.stages) {
    if (!stage.product || !stage.pool || stage.pool->kernel == 2) {
      result.stages.push_back(stage);
      continue;
    }
    Stage product = stage, pool;
    product.pool.reset();
    product.output = static_cast<int>(result.values.size());
    result.values.push_back(unpooled(stages, stage));
    result.values.back().border = 0;
    pool.name = stage.name;
    pool.input = product.output;
    pool.pool = stage.pool;
    pool.output = stage.output;
    result.stages.push_back(std::move(product));
    result.stages.push_back(std::move(pool));
  }
  return result;
}

/// Versions that can compute a stage of `images` images, other than those of the ladder's foot.
std::vector<Version> versions(const Stage& stage, bool bf16, int64_t images) {
  std::vector<Version> found;
  const bool pooled = stage.pool.has_value();
  for (const int positions : {1, 2, 4, 8})
    if (!pooled || positions == 4) found.push_back({Kernel::kJobs, 1, positions, kImages});
  if (!bf16) return found;
  for (const int outputs : {32, 64})
    for (const auto& [positions, wide] : {std::pair(1, 64), {1, 128}, {2, 64}, {4, 64}})
      if ((!pooled || positions == 4) && images % wide == 0)
        found.push_back({Kernel::kMma, outputs, positions, wide});
  return found;
}

template <class T>
class Planar final : public Program {
 public:
  Planar(const Stages& stages, const PlanarOptions& options)
      : stages_(with_pools_apart(stages)), options_(options), prepared_(stages_.stages.size()) {
    images_ = std::min((options.batch + kImages - 1) / kImages * kImages, kMostImages);
    const auto bytes = at::TensorOptions().dtype(at::kByte).device(options.device);
    for (size_t index = 0; index < stages_.values.size(); ++index) {
      const Value& v = stages_.values[index];
      const int64_t rows = v.channels * (v.height + 2 * v.border) * (v.width + 2 * v.border);
      if (rows > std::numeric_limits<int32_t>::max())
        unsupported("an engine for CUDA", name_of_value(static_cast<int>(index)), "its maps are too large");
      values_.push_back(at::zeros({rows * images_ * static_cast<int64_t>(sizeof(T))}, bytes));
    }
    for (size_t index = 0; index < prepared_.size(); ++index) {
      const Stage& stage = stages_.stages[index];
      prepared_[index].bias = upload(stage.bias);
      prepared_[index].scale = upload(stage.scale);
      prepared_[index].shift = upload(stage.shift);
      prepared_[index].version.kernel = stage.product   ? Kernel::kReference
                                        : stage.reshape ? Kernel::kReshape
                                        : stage.pool    ? Kernel::kPool
                                                        : Kernel::kLift;
    }
  }

  void tune(const float* images, Tuning& tuning, const Interrupt& interrupt) {
    if (!options_.version) load(images, std::min(options_.batch, images_));
    for (size_t index = 0; index < prepared_.size(); ++index) {
      const Stage& stage = stages_.stages[index];
      if (stage.product && options_.version) {
        use(index, *options_.version);
      } else if (stage.product) {
        const std::string name = key(index);
        const std::vector<Version> all = versions(stage, options_.bf16, images_);
        const auto known = tuning.find(name);
        const auto same = std::find_if(all.begin(), all.end(), [&](const Version& version) {
          return known != tuning.end() && version.text() == known->second;
        });
        const Version best = same != all.end() ? *same : fastest(index, all, interrupt);
        tuning[name] = best.text();
        use(index, best);
      }
      // So that the next stage is measured on what it will see.
      if (!options_.version) compute(index);
    }
  }

  void run(const float* images, int64_t n, float* logits) override {
    const Value &image = stages_.values.front(), &last = stages_.values[stages_.stages.back().output];
    for (int64_t first = 0; first < n; first += images_) {
      const int64_t count = std::min(images_, n - first);
      load(images + first * image.channels * image.pixels(), count);
      for (size_t index = 0; index < prepared_.size(); ++index) compute(index);
      Work<T> work = empty_work();
      work.input = maps(stages_.stages.back().output);
      work.floats = logits + first * last.channels;
      work.count = static_cast<int>(count);
      launch({Kernel::kStore}, work, stages_.stages.back().name);
    }
  }

  std::vector<StageReport> profile(const float* images, int64_t n) override {
    std::vector<StageReport> reports;
    Stopwatch watch(options_.device);
    for (int64_t first = 0; first < n; first += images_) {
      load(images + first * stages_.values[0].channels * stages_.values[0].pixels(),
           std::min(images_, n - first));
      for (size_t index = 0; index < prepared_.size(); ++index) {
        watch.start();
        compute(index);
        const double seconds = watch.seconds();
        if (first == 0) reports.push_back(report(index));
        reports[index].seconds += seconds;
      }
    }
    return reports;
  }

  std::string name() const override {
    return std::string("planar ") + (options_.bf16 ? "bf16" : "fp32") +
           (options_.version ? ", " + options_.version->text() : "") +
           (options_.device.is_cpu() ? ", imitated" : "");
  }
  int64_t bytes() const override {
    size_t total = 0;
    for (const at::Tensor& value : values_) total += value.nbytes();
    for (const Prepared& p : prepared_)
      for (const at::Tensor* tensor : {&p.bias, &p.scale, &p.shift, &p.start, &p.offsets, &p.weights})
        if (tensor->defined()) total += tensor->nbytes();
    return static_cast<int64_t>(total);
  }

 private:
  struct Prepared {
    Version version;
    at::Tensor bias, scale, shift, start, offsets;
    at::Tensor weights;    ///< dense, of columns or entries, as the version has them
    int64_t products = 0;  ///< multiply-adds for a position
  };

  template <class Item>
  at::Tensor upload(const std::vector<Item>& items) const {
    if (items.empty()) return {};
    return at::from_blob(const_cast<Item*>(items.data()), {static_cast<int64_t>(items.size() * sizeof(Item))},
                         at::kByte)
        .clone()
        .to(options_.device);
  }
  template <class Item>
  static Item* pointer(const at::Tensor& tensor) {
    return tensor.defined() ? static_cast<Item*>(tensor.data_ptr()) : nullptr;
  }

  Maps<T> maps(int value) const {
    if (value < 0) return {};
    const Value& v = stages_.values[value];
    return {pointer<T>(values_[value]), static_cast<int>(v.channels), static_cast<int>(v.height),
            static_cast<int>(v.width), static_cast<int>(v.border)};
  }

  Work<T> empty_work() const {
    Work<T> work{};
    work.images = static_cast<int>(images_);
    work.stride = work.pool = work.pool_stride = 1;
    return work;
  }

  Work<T> work_of(size_t index) const {
    const Stage& stage = stages_.stages[index];
    const Prepared& p = prepared_[index];
    Work<T> work = empty_work();
    work.input = maps(stage.input);
    work.output = maps(stage.output);
    work.residual = maps(stage.residual);
    work.raw = maps(stage.raw);
    const Value shape = unpooled(stages_, stage);
    work.height = static_cast<int>(shape.height);
    work.width = static_cast<int>(shape.width);
    if (stage.product) {
      work.stride = static_cast<int>(stage.product->stride);
      work.padding = static_cast<int>(stage.product->padding);
      work.kernel_height = static_cast<int>(stage.product->kernel_height);
      work.kernel_width = static_cast<int>(stage.product->kernel_width);
    }
    work.bias = pointer<const float>(p.bias);
    work.scale = pointer<const float>(p.scale);
    work.shift = pointer<const float>(p.shift);
    work.relu = stage.relu;
    if (stage.pool) {
      work.max_pool = stage.pool->max;
      work.pool = static_cast<int>(stage.pool->kernel);
      work.pool_stride = static_cast<int>(stage.pool->stride);
    }
    work.start = pointer<const int32_t>(p.start);
    work.offsets = pointer<const int32_t>(p.offsets);
    work.dense = work.weights = pointer<const T>(p.weights);
    work.entries = pointer<const Entry>(p.weights);
    work.group = p.version.outputs;
    return work;
  }

  /// Packs a product for a version.
  void use(size_t index, const Version& version) {
    const Product& product = *stages_.stages[index].product;
    Prepared& p = prepared_[index];
    p.version = version;
    if (version.kernel == Kernel::kMma || version.kernel == Kernel::kSimple) {
      const auto packed = pack_columns(product, maps(stages_.stages[index].input), version.outputs,
                                       version.kernel == Kernel::kMma);
      p.start = upload(packed.start);
      p.offsets = upload(packed.offsets);
      p.weights = upload(packed.weights);
      p.products = static_cast<int64_t>(packed.weights.size());
    } else if (version.kernel == Kernel::kJobs) {
      const Singles packed = pack_singles(product, maps(stages_.stages[index].input));
      p.start = upload(packed.start);
      p.weights = upload(packed.entries);
      p.products = static_cast<int64_t>(packed.entries.size());
    } else {
      std::vector<T> dense(product.weight.numel());
      for (size_t i = 0; i < dense.size(); ++i)
        from_float(product.weight.const_data_ptr<float>()[i], dense[i]);
      p.weights = upload(dense);
      p.products = static_cast<int64_t>(dense.size());
    }
  }

  /// Of the node whose output a value is.
  std::string name_of_value(int value) const {
    for (const Stage& stage : stages_.stages)
      if (stage.output == value || stage.raw == value) return stage.name;
    return "image";
  }

  /// `name`: of the node that is computed, or of the image.
  void launch(const Version& version, const Work<T>& work, const std::string& name) const {
    bool done = false;
    on_device(
        options_.device, [&] { done = run_emulated(version, work); },
        [&](void* stream) { COPPICE_CUDA_ONLY(done = run_cuda(version, work, stream)); });
    if (!done) unsupported("kernel '" + version.text() + "'", name, "it cannot compute this layer");
  }

  void load(const float* images, int64_t n) const {
    Work<T> work = empty_work();
    work.output = maps(0);
    work.floats = const_cast<float*>(images);
    work.count = static_cast<int>(n);
    launch({Kernel::kLoad}, work, name_of_value(0));
  }
  void compute(size_t index) const {
    const Stage& stage = stages_.stages[index];
    Version version = prepared_[index].version;
    // A version that is asked for has a number of positions; windows are 2 × 2.
    if (stage.product && stage.pool && options_.version) version.positions = 4, version.images = kImages;
    launch(version, work_of(index), stage.name);
  }

  Version fastest(size_t index, const std::vector<Version>& all, const Interrupt& interrupt) {
    Version best = all.front();
    double least = std::numeric_limits<double>::infinity();
    Stopwatch watch(options_.device);
    for (const Version& version : all) {
      interrupt.check();
      use(index, version);
      // The first run warms the caches.
      for (int repeat = 0; repeat < 4; ++repeat) {
        watch.start();
        compute(index);
        const double seconds = watch.seconds();
        if (repeat > 0 && seconds < least) least = seconds, best = version;
      }
    }
    return best;
  }

  StageReport report(size_t index) const {
    const Stage& stage = stages_.stages[index];
    StageReport report{stage.name, stage.node, "", 0, 0, 0, 0};
    if (!stage.product) return report;
    const int64_t positions = unpooled(stages_, stage).pixels();
    report.kernel = prepared_[index].version.text();
    report.dense_macs = stage.product->weight.numel() * positions;
    report.macs = stage.product->weight.count_nonzero().template item<int64_t>() * positions;
    report.done_macs = prepared_[index].products * positions;
    return report;
  }

  std::string key(size_t index) const {
    const Stage& stage = stages_.stages[index];
    const Value &in = stages_.values[stage.input], out = unpooled(stages_, stage);
    const auto taps = static_cast<double>(stage.product->weight.numel());
    const auto columns = pack_columns(*stage.product, maps(stage.input), 32, false);
    const int64_t left = stage.product->weight.count_nonzero().template item<int64_t>();
    const std::vector<DeviceName> devices = cuda_devices();
    const auto device = static_cast<size_t>(std::max<int>(options_.device.index(), 0));
    char text[320];
    std::snprintf(
        text, sizeof text,
        "%s planar %s images %d: %dx%dx%d -> %dx%dx%d, kernel %dx%d/%d, pool %d, %.2f left, %.2f in columns",
        device < devices.size() ? devices[device].name.c_str() : "CUDA", options_.bf16 ? "bf16" : "fp32",
        static_cast<int>(images_), static_cast<int>(in.channels), static_cast<int>(in.height),
        static_cast<int>(in.width), static_cast<int>(out.channels), static_cast<int>(out.height),
        static_cast<int>(out.width), static_cast<int>(stage.product->kernel_height),
        static_cast<int>(stage.product->kernel_width), static_cast<int>(stage.product->stride),
        stage.pool ? static_cast<int>(stage.pool->kernel) : 0, static_cast<double>(left) / taps,
        static_cast<double>(columns.weights.size()) / taps);
    return text;
  }

  const Stages stages_;
  const PlanarOptions options_;
  int64_t images_;
  std::vector<at::Tensor> values_;
  std::vector<Prepared> prepared_;
};

template <class T>
std::unique_ptr<Program> tuned(const Stages& stages, const PlanarOptions& options, const float* images,
                               Tuning& tuning, const Interrupt& interrupt) {
  auto program = std::make_unique<Planar<T>>(stages, options);
  program->tune(images, tuning, interrupt);
  return program;
}

}  // namespace

std::unique_ptr<Program> planar(const Stages& stages, const PlanarOptions& options, const float* images,
                                Tuning& tuning, const Interrupt& interrupt) {
  return options.bf16 ? tuned<Bf16>(stages, options, images, tuning, interrupt)
                      : tuned<float>(stages, options, images, tuning, interrupt);
}

}  // namespace coppice::sparse::cuda
