#include "sparse/lanes.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

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
      kernels_(kernels_for(options.arithmetic, options.instructions)),
      products_(stages_.stages.size()),
      team_(options.threads),
      blocks_of_thread_(options.blocks % options.threads == 0 ? options.blocks / options.threads : 0) {
  for (size_t index = 0; index < products_.size(); ++index) {
    const Stage& stage = stages_.stages[index];
    if (stage.product) products_[index].nonzeros = nonzeros(*stage.product, options_.arithmetic);
    // Maps that fill a tile go through the network block by block, while they are in the cache; smaller ones
    // wait for each other, so that weights are read once for several blocks.
    const bool small = unpooled(stages_, stage).pixels() < kMaxTile;
    together_.push_back(blocks_of_thread_ == 0 ? options.blocks : small ? blocks_of_thread_ : 1);
  }
}

void Lanes::allocate() {
  choose_places();
  sums_.allocate(kSumsBytes * options_.threads);
}

void Lanes::choose_places() {
  const auto count = static_cast<int>(stages_.values.size());
  std::vector<int> made(count, -1), read(count, -1);  // the stages that write a value, and read it last
  const auto stage_count = static_cast<int>(stages_.stages.size());
  for (int index = 0; index < stage_count; ++index) {
    const Stage& stage = stages_.stages[index];
    made[stage.output] = index;
    if (stage.raw >= 0) made[stage.raw] = index;
    for (const int value : {stage.input, stage.residual})
      if (value >= 0) read[value] = index;
  }
  read[stages_.stages.back().output] = stage_count;
  const auto alone = [&](int stage) { return stage < 0 || (stage < stage_count && together_[stage] == 1); };

  places_.resize(count);
  std::multimap<std::string, std::pair<int, int>> used;  // shape → storage, last reader of its value
  std::vector<int> order(count);
  for (int value = 0; value < count; ++value) order[value] = value;
  std::sort(order.begin(), order.end(), [&](int a, int b) { return made[a] < made[b]; });
  for (const int value : order) {
    Place& place = places_[value];
    place.bytes = value_bytes(value);
    // From its maker to its last reader nothing may wait for other blocks.
    place.per_thread = blocks_of_thread_ > 0 && read[value] >= 0;
    for (int stage = made[value]; stage <= read[value]; ++stage) place.per_thread &= alone(stage);
    const std::string name = shape(value) + (place.per_thread ? " once" : "");
    const auto [first, last] = used.equal_range(name);
    const auto free =
        std::find_if(first, last, [&](const auto& entry) { return entry.second.second < made[value]; });
    if (free != last) {
      place.storage = free->second.first;
      free->second.second = read[value];
      continue;
    }
    place.storage = static_cast<int>(storage_.size());
    storage_.emplace_back().allocate(place.bytes * (place.per_thread ? options_.threads : options_.blocks));
    used.emplace(name, std::pair(place.storage, read[value]));
  }
}

int64_t Lanes::bytes() const {
  int64_t total = sums_.bytes();
  for (const Buffer& buffer : storage_) total += buffer.bytes();
  for (const Product& product : products_) total += product.packed.bytes();
  return total;
}

void Lanes::start_round(int64_t n, const Member& member) {
  if (member.index() == 0) active_ = (n + images_in_block() - 1) / images_in_block();
  member.meet();
}

std::vector<Lanes::Part> Lanes::parts_of(const Member& member) const {
  if (blocks_of_thread_ == 0) return {{0, active_, member.index(), member.threads()}};
  // One for each thread that was asked for, also where there are fewer.
  std::vector<Part> parts;
  for (int64_t owner = member.index(); owner < options_.threads; owner += member.threads()) {
    const int64_t begin = owner * blocks_of_thread_, end = std::min(begin + blocks_of_thread_, active_);
    if (begin < end) parts.push_back({begin, end, 0, 1});
  }
  return parts;
}

void Lanes::run_stages(int first, int last, const Part& part, const Member& member, Times* times) {
  for (int stage = first; stage < last; ++stage) {
    const auto start = Clock::now();
    compute(stage, part, sums_.data() + member.index() * kSumsBytes);
    if (blocks_of_thread_ == 0) member.meet();
    if (times != nullptr && member.index() == 0) (*times)[stage] += seconds_since(start);
  }
}

template <class Body>
void Lanes::in_steps(const Part& part, int stage, Body body) const {
  const int64_t step = blocks_of_thread_ == 0 ? options_.blocks : std::max<int64_t>(1, together_[stage]);
  for (int64_t block = part.begin; block < part.end; block += step)
    body(Part{block, std::min(block + step, part.end), part.index, part.count});
}

void Lanes::run_stage(int stage, const Member& member) {
  for (const Part& part : parts_of(member))
    in_steps(part, stage,
             [&](const Part& here) { compute(stage, here, sums_.data() + member.index() * kSumsBytes); });
}

void Lanes::run_round(const float* images, int64_t n, float* logits, const Member& member, Times* times) {
  start_round(n, member);
  const auto count = static_cast<int>(stages_.stages.size());
  for (const Part& part : parts_of(member)) {
    // Stages that take blocks one by one run through for one block before the next.
    for (int first = 0; first < count;) {
      int last = first;
      while (last < count && together_[last] == together_[first]) ++last;
      in_steps(part, first, [&](const Part& here) {
        if (first == 0) {
          load_images(images, n, here);
          if (blocks_of_thread_ == 0) member.meet();
        }
        run_stages(first, last, here, member, times);
      });
      first = last;
    }
    store_logits(logits, n, part);
  }
  member.meet();
}

void Lanes::run_all(const float* images, int64_t n, float* logits, Times* times) {
  const Value &image = stages_.values.front(), &last = stages_.values[stages_.stages.back().output];
  const int64_t pixels = image.channels * image.pixels(), classes = last.channels;
  const int64_t capacity = options_.blocks * images_in_block();
  team_.run([&](const Member& member) {
    for (int64_t first = 0; first < n; first += capacity)
      run_round(images + first * pixels, std::min(capacity, n - first), logits + first * classes, member,
                times);
  });
}

void Lanes::run(const float* images, int64_t n, float* logits) { run_all(images, n, logits, nullptr); }

std::vector<StageReport> Lanes::profile(const float* images, int64_t n) {
  Times times(stages_.stages.size(), 0.0);
  std::vector<float> logits(n * stages_.values[stages_.stages.back().output].channels);
  run_all(images, n, logits.data(), &times);
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
      run_stage(stage, member);
      member.meet();
      // The first run warms the caches; a hopeless choice gets no more than that. All threads see the same
      // `best`.
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
  // A column costs its whole block of outputs; where that is far more than single weights need, it is not
  // tried.
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

Choice Lanes::any_choice(int stage) const {
  std::vector<Choice> all;
  for (const bool by_columns : {false, true})
    for (const Choice& choice : tiles(stage, by_columns)) {
      all.push_back(choice);
      if (by_columns) continue;
      for (const Choice& other : like(stage, choice)) all.push_back(other);
    }
  return all[(static_cast<size_t>(stage) * 7919 + options_.blocks * 31) % all.size()];
}

std::string Lanes::key(int stage) const {
  const Stage& here = stages_.stages[stage];
  const Value &in = stages_.values[here.input], out = unpooled(stages_, here);
  const Nonzeros& weights = products_[stage].nonzeros;
  const double density =
      static_cast<double>(weights.weights) / static_cast<double>(here.product->weight.numel());
  Choice columns;
  columns.by_columns = true;
  const double shared = static_cast<double>(pack_for(stage, columns).products) /
                        static_cast<double>(here.product->weight.numel());
  char text[256];
  std::snprintf(text, sizeof text,
                "%s %s threads %d blocks %d: %dx%dx%d -> %dx%dx%d, kernel %dx%d/%d, pool %d, %.2f left, %.2f "
                "in columns",
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
  team_.run([&](const Member& member) {
    start_round(n, member);
    for (const Part& part : parts_of(member))
      in_steps(part, 0, [&](const Part& here) { load_images(images, n, here); });
  });
  for (int stage = 0; stage < static_cast<int>(stages_.stages.size()); ++stage) {
    if (stages_.stages[stage].product) {
      const std::string name = key(stage);
      Choice choice;
      const auto known = tuning.find(name);
      if (known == tuning.end() || !Choice::parse(known->second, choice) || !allowed(stage, choice)) {
        choice =
            options_.instructions == Instructions::kBest ? best_choice(stage, interrupt) : any_choice(stage);
        tuning[name] = choice.text();
      }
      use(stage, choice);
    }
    // So that the next stage is measured on what it will see.
    team_.run([&](const Member& member) { run_stage(stage, member); });
  }
}

}  // namespace coppice::sparse
