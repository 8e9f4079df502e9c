#include "sparse/lanes.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>

namespace coppice::sparse {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

void Buffer::allocate(int64_t bytes) {
  tensor_ = at::zeros({bytes + 2 * kMaxTile * kLine}, at::TensorOptions().dtype(at::kByte));
}

Lanes::Lanes(std::shared_ptr<const Stages> stages, const Options& options)
    : shared_(std::move(stages)),
      stages_(*shared_),
      options_(options),
      kernels_(kernels_for(options.arithmetic, options.portable)),
      products_(stages_.stages.size()),
      team_(options.threads) {
  for (size_t index = 0; index < products_.size(); ++index)
    if (const auto& product = stages_.stages[index].product)
      products_[index].nonzeros = nonzeros(*product, options_.arithmetic);
}

void Lanes::allocate() {
  values_.resize(stages_.values.size());
  for (size_t index = 0; index < values_.size(); ++index) {
    value_bytes_.push_back(value_bytes(static_cast<int>(index)));
    values_[index].allocate(value_bytes_[index] * options_.blocks);
  }
  sums_bytes_ = kSumsBytes;
  sums_.allocate(sums_bytes_ * options_.threads);
}

int64_t Lanes::bytes() const {
  int64_t total = sums_.bytes();
  for (const Buffer& buffer : values_) total += buffer.bytes();
  for (const Product& product : products_) total += product.packed.bytes();
  return total;
}

void Lanes::round(const float* images, int64_t n, float* logits, const Member& member, Times* times) {
  if (member.index() == 0) active_ = (n + images_in_block() - 1) / images_in_block();
  load_images(images, n, member);
  member.meet();
  for (int stage = 0; stage < static_cast<int>(stages_.stages.size()); ++stage) {
    const auto start = Clock::now();
    compute(stage, member);
    member.meet();
    if (times != nullptr && member.index() == 0) (*times)[stage] += seconds_since(start);
  }
  store_logits(logits, n, member);
  member.meet();
}

void Lanes::run(const float* images, int64_t n, float* logits) {
  const Value &image = stages_.values.front(), &last = stages_.values[stages_.stages.back().output];
  const int64_t pixels = image.channels * image.pixels(), classes = last.channels;
  const int64_t capacity = options_.blocks * images_in_block();
  team_.run([&](const Member& member) {
    for (int64_t first = 0; first < n; first += capacity)
      round(images + first * pixels, std::min(capacity, n - first), logits + first * classes, member, nullptr);
  });
}

std::vector<StageReport> Lanes::profile(const float* images, int64_t n) {
  const Value &image = stages_.values.front(), &last = stages_.values[stages_.stages.back().output];
  const int64_t pixels = image.channels * image.pixels(), classes = last.channels;
  const int64_t capacity = options_.blocks * images_in_block();
  Times times(stages_.stages.size(), 0.0);
  std::vector<float> logits(n * classes);
  team_.run([&](const Member& member) {
    for (int64_t first = 0; first < n; first += capacity)
      round(images + first * pixels, std::min(capacity, n - first), logits.data() + first * classes, member,
            &times);
  });
  std::vector<StageReport> reports;
  for (size_t index = 0; index < times.size(); ++index) {
    const Stage& stage = stages_.stages[index];
    StageReport report{stage.name, stage.node, "", times[index], 0, 0, 0};
    if (stage.product) {
      const int64_t positions = unpooled(stages_, stage).pixels();
      report.kernel = products_[index].choice.text();
      report.dense_macs = stage.product->weight.numel() * positions;
      report.macs = products_[index].nonzeros.weights * positions;
      report.done_macs = products_[index].packed.products * positions;
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

void Lanes::use(int stage, const Choice& choice) {
  products_[stage].choice = choice;
  products_[stage].packed = pack_for(stage, choice);
}

double Lanes::measure(int stage, const Choice& choice, double give_up) {
  use(stage, choice);
  double best = std::numeric_limits<double>::infinity();
  team_.run([&](const Member& member) {
    for (int repeat = 0; repeat < 4; ++repeat) {
      member.meet();
      const auto start = Clock::now();
      compute(stage, member);
      member.meet();
      // The first run warms the caches; a hopeless choice gets no more than that. All threads see the same `best`.
      if (member.index() == 0) {
        const double seconds = seconds_since(start);
        if (repeat > 0 || seconds > 2 * give_up) best = std::min(best, seconds);
      }
      member.meet();
      if (best > 2 * give_up && best < std::numeric_limits<double>::infinity()) break;
    }
  });
  return best;
}

Choice Lanes::best_choice(int stage, const Interrupt& interrupt) {
  const Nonzeros& weights = products_[stage].nonzeros;
  Choice best;
  double least = std::numeric_limits<double>::infinity();
  const auto attempt = [&](const std::vector<Choice>& choices) {
    for (const Choice& choice : choices) {
      interrupt.check();
      const double seconds = measure(stage, choice, least);
      if (seconds < least) least = seconds, best = choice;
    }
  };
  const std::vector<Choice> shared = tiles(stage, true), single = tiles(stage, false);
  // A column costs its whole block of outputs; where that is far more than single weights need, it is not tried.
  const auto products = [&](const std::vector<Choice>& choices) {
    return choices.empty() ? std::numeric_limits<double>::infinity()
                           : static_cast<double>(pack_for(stage, choices.front()).products);
  };
  const double ratio = products(shared) / std::max(1.0, products(single));
  if (weights.weights == 0 || ratio > 1.2) {
    attempt(single);
    if (!single.empty()) attempt(like(stage, best));
  }
  if (ratio < 3 || single.empty()) attempt(shared);
  return best;
}

std::string Lanes::key(int stage) const {
  const Stage& here = stages_.stages[stage];
  const Value &in = stages_.values[here.input], out = unpooled(stages_, here);
  const Nonzeros& weights = products_[stage].nonzeros;
  const double density = static_cast<double>(weights.weights) / static_cast<double>(here.product->weight.numel());
  Choice columns;
  columns.by_columns = true;
  const double shared = static_cast<double>(pack_for(stage, columns).products) /
                        static_cast<double>(here.product->weight.numel());
  char text[256];
  std::snprintf(text, sizeof text,
                "%s %s threads %d blocks %d: %dx%dx%d -> %dx%dx%d, kernel %dx%d/%d, pool %d, %.2f left, %.2f in columns",
                kernels_.kernels->name, layout(), options_.threads, static_cast<int>(options_.blocks),
                static_cast<int>(in.channels), static_cast<int>(in.height), static_cast<int>(in.width),
                static_cast<int>(out.channels), static_cast<int>(out.height), static_cast<int>(out.width),
                static_cast<int>(here.product->kernel_height), static_cast<int>(here.product->kernel_width),
                static_cast<int>(here.product->stride), here.pool ? static_cast<int>(here.pool->kernel) : 0,
                density, shared);
  return text;
}

void Lanes::tune(const float* images, int64_t n, Tuning& tuning, const Interrupt& interrupt) {
  for (const Product& product : products_)
    if (!product.nonzeros.finite)
      throw std::invalid_argument("some weights are too large for fp16; use bf16 or fp32");
  n = std::min(n, options_.blocks * images_in_block());
  active_ = (n + images_in_block() - 1) / images_in_block();
  team_.run([&](const Member& member) { load_images(images, n, member); });
  for (int stage = 0; stage < static_cast<int>(stages_.stages.size()); ++stage) {
    if (stages_.stages[stage].product) {
      const std::string name = key(stage);
      Choice choice;
      const auto known = tuning.find(name);
      if (known == tuning.end() || !Choice::parse(known->second, choice) || !allowed(stage, choice)) {
        choice = best_choice(stage, interrupt);
        tuning[name] = choice.text();
      }
      use(stage, choice);
    }
    // So that the next stage is measured on what it will see.
    team_.run([&](const Member& member) { compute(stage, member); });
  }
}

}  // namespace coppice::sparse
