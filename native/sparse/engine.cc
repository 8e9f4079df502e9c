#include "sparse/engine.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "device/stopwatch.h"
#include "sparse/cuda/programs.h"
#include "sparse/dense.h"

namespace coppice::sparse {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Rounds of measuring whole batches, candidates in turn.
constexpr int kRounds = 5;
/// Larger than any cache.
constexpr int64_t kFlushBytes = int64_t{256} << 20;

/// Pixels as images have them: neither zeros nor all alike.
at::Tensor sample_images(int64_t n, const std::array<int64_t, 3>& input) {
  const at::Tensor images = at::empty({n, input[0], input[1], input[2]}, at::kFloat);
  uint32_t state = 1;
  float* pixels = images.mutable_data_ptr<float>();
  for (int64_t i = 0; i < images.numel(); ++i) {
    state = state * 1664525u + 1013904223u;
    pixels[i] = static_cast<float>(state >> 8) * 0x1p-24f;
  }
  return images;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace

SparseEngine::SparseEngine(const Network& network, const CompileOptions& options, Tuning& tuning,
                           const Interrupt& interrupt)
    : options_(options),
      device_(network.device),
      input_(network.graph.input),
      classes_(network.graph.classes) {
  const auto start = Clock::now();
  if (network.type != at::kFloat)
    throw std::invalid_argument("an inference engine needs a network of type float32, got float64");
  choose(plans(network, tuning, interrupt), interrupt);
  seconds_ = seconds_since(start);
}

std::vector<SparseEngine::Plan> SparseEngine::plans(const Network& network, Tuning& tuning,
                                                    const Interrupt& interrupt) const {
  const auto stages = std::make_shared<const Stages>(make_stages(fold(network, at::kFloat)));
  const int64_t batch = options_.batch;
  std::vector<Plan> plans;
  const auto whole = [&](std::shared_ptr<Program> program) {
    const std::string name = program->name();
    plans.push_back({name, {{std::move(program), batch}}});
  };
  if (device_.is_cuda() || options_.imitate) {
    const at::Tensor images = sample_images(batch, input_).to(device_);
    for (const auto& program : cuda::programs(stages, device_, options_, images, tuning, interrupt))
      whole(program);
    return plans;
  }
  if (options_.dense && options_.kernel.empty()) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      if (type == at::kBFloat16 && options_.type == Arithmetic::kFp32) continue;
      if (options_.exact && (type == at::kFloat) != (options_.type == Arithmetic::kFp32)) continue;
      for (const bool prepacked : {false, true}) {
        interrupt.check();
        try {
          whole(dense_program(stages, {type, prepacked, options_.threads, batch}));
        } catch (const c10::Error&) {
          // This libtorch was built without oneDNN; its own convolutions compete.
          if (!prepacked) throw;
        }
      }
    }
  }
  if (!options_.sparse) return plans;

  const at::Tensor images = sample_images(batch, input_);
  const auto* pixels = images.const_data_ptr<float>();
  const auto tuned = [&](std::unique_ptr<Lanes> program) {
    program->tune(pixels, batch, tuning, interrupt);
    return std::shared_ptr<Lanes>(std::move(program));
  };
  const auto asked_for = [&](const char* kernel, bool otherwise) {
    return options_.kernel.empty() ? otherwise : options_.kernel == kernel;
  };
  Lanes::Options settings{Arithmetic::kFp32, options_.threads, 1, options_.instructions};
  std::shared_ptr<Lanes> by_pixels;
  // Batches that fill no vector of images, or leave a rest.
  if (asked_for("pixels fp32", batch % 16 != 0)) {
    settings.blocks = std::min<int64_t>(batch, options_.threads);
    if (auto program = pixel_lanes(stages, settings)) by_pixels = tuned(std::move(program));
    if (by_pixels) whole(by_pixels);
  }
  const auto with_images = [&](const char* kernel, Arithmetic arithmetic, int64_t lanes, bool otherwise) {
    if (!asked_for(kernel, otherwise && batch >= lanes / 4)) return;
    const int64_t blocks = (batch + lanes - 1) / lanes, rest = batch % lanes;
    settings.arithmetic = arithmetic;
    // Each thread takes up to four blocks of its own through the network at a time; few blocks that cannot be
    // dealt out evenly are shared.
    const int64_t each = std::min<int64_t>(blocks / options_.threads, 4);
    settings.blocks = each == 4 || blocks % options_.threads == 0 ? options_.threads * each : blocks;
    const std::shared_ptr<Lanes> program = tuned(image_lanes(stages, settings));
    whole(program);
    if (by_pixels && rest > 0 && rest < batch && rest <= lanes / 2)
      plans.push_back(
          {program->name() + " and " + by_pixels->name(), {{program, batch - rest}, {by_pixels, rest}}});
  };
  with_images("images fp32", Arithmetic::kFp32, 16, true);
  with_images("images bf16", Arithmetic::kBf16, 16, options_.type == Arithmetic::kBf16);
  // Imitated halves take seconds an image.
  with_images(
      "images fp16", Arithmetic::kFp16, 32,
      options_.type == Arithmetic::kFp16 && kernels_for(Arithmetic::kFp16, options_.instructions).fast);
  return plans;
}

void SparseEngine::choose(std::vector<Plan> plans, const Interrupt& interrupt) {
  if (plans.empty())
    throw std::invalid_argument("no program is left to choose from: allow dense or sparse ones");
  const at::Tensor images = sample_images(options_.batch, input_).to(device_);
  const at::Tensor logits = at::empty({options_.batch, classes_}, images.options());
  Stopwatch watch(device_);
  std::vector<std::vector<double>> seconds(plans.size());
  for (int round = 0; round <= (options_.imitate ? 1 : kRounds); ++round) {
    for (size_t index = 0; index < plans.size(); ++index) {
      interrupt.check();
      // One that is hopelessly slow is not measured again.
      if (round > 1 && seconds[index].front() > 4 * seconds.front().front() && index > 0) continue;
      watch.start();
      run(plans[index], images.const_data_ptr<float>(), options_.batch, logits.mutable_data_ptr<float>());
      const double taken = watch.seconds();
      if (round > 0) seconds[index].push_back(taken);
    }
  }
  size_t best = 0;
  for (size_t index = 0; index < plans.size(); ++index) {
    candidates_.push_back({plans[index].name, median(seconds[index]), false});
    if (candidates_[index].seconds < candidates_[best].seconds) best = index;
  }
  candidates_[best].chosen = true;
  plan_ = std::move(plans[best]);
}

void SparseEngine::run(const Plan& plan, const float* images, int64_t n, float* logits) const {
  const int64_t pixels = input_[0] * input_[1] * input_[2];
  int64_t first = 0;
  while (first < n) {
    for (const auto& [program, most] : plan.parts) {
      const int64_t count = std::min(most, n - first);
      if (count > 0) program->run(images + first * pixels, count, logits + first * classes_);
      first += count;
    }
  }
}

at::Tensor SparseEngine::run(const at::Tensor& images) {
  const at::Tensor input = images.to(device_).contiguous();
  const at::Tensor logits = at::empty({images.size(0), classes_}, input.options());
  run(plan_, input.const_data_ptr<float>(), input.size(0), logits.mutable_data_ptr<float>());
  return logits.to(images.device());
}

std::vector<double> SparseEngine::time(const at::Tensor& images, int64_t warmup, int64_t runs, bool flush,
                                       const Interrupt& interrupt) {
  const at::Tensor input = images.to(device_);
  const at::Tensor other = at::zeros({flush ? kFlushBytes : 0}, input.options().dtype(at::kByte));
  Stopwatch watch(device_);
  std::vector<double> seconds;
  for (int64_t i = 0; i < warmup + runs; ++i) {
    interrupt.check();
    if (flush) other.fill_(i % 256);
    watch.start();
    run(input);
    const double taken = watch.seconds();
    if (i >= warmup) seconds.push_back(taken);
  }
  return seconds;
}

std::vector<StageReport> SparseEngine::profile(const at::Tensor& images) {
  const at::Tensor input = images.to(device_).contiguous();
  const auto& [program, count] = plan_.parts.front();
  const int64_t n = std::min(count, input.size(0));
  auto stages = program->profile(input.const_data_ptr<float>(), n);
  for (StageReport& stage : stages) stage.images = n;
  return stages;
}

int64_t SparseEngine::bytes() const {
  int64_t total = 0;
  for (const auto& [program, count] : plan_.parts) total += program->bytes();
  return total;
}

double peak_macs(Arithmetic arithmetic) {
  const Kernels& kernels = *kernels_for(arithmetic, Instructions::kBest).kernels;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto start = Clock::now();
    const double macs = static_cast<double>(kernels.peak(1 << 18));
    best = std::max(best, macs / seconds_since(start));
  }
  return best;
}

}  // namespace coppice::sparse
