// Image lanes: a map is [channel (pair)][row][column] lines, one line for 16 images (32 in halves), with
// zeros around it. Every operand of a convolution is a whole, aligned line, and a block of images goes
// through the network alone.
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "sparse/lanes.h"

namespace coppice::sparse {
namespace {

int64_t power_of_two_in(int64_t value) {
  return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(value)));
}
int log2_of(int64_t power) { return std::countr_zero(static_cast<uint64_t>(power)); }

/// A stretch cut into powers of two.
struct Piece {
  int64_t start, size;
};
std::vector<Piece> pieces_of(int64_t length, int64_t size) {
  std::vector<Piece> pieces;
  for (int64_t start = 0; start < length;) {
    while (size > length - start) size /= 2;
    pieces.push_back({start, size});
    start += size;
  }
  return pieces;
}

class ImageLanes final : public Lanes {
 public:
  ImageLanes(std::shared_ptr<const Stages> stages, const Options& options)
      : Lanes(std::move(stages), options),
        lanes_(options.arithmetic == Arithmetic::kFp16 ? 32 : 16),
        together_(options.arithmetic == Arithmetic::kBf16 ? 2 : 1),
        normalizes_(normalizes(stages_)) {
    allocate();
  }

  std::string name() const override {
    const char* types[] = {"fp32", "bf16", "fp16"};
    return std::string("image lanes ") + types[static_cast<int>(options_.arithmetic)] + ", " +
           kernels_.kernels->name;
  }

 protected:
  int64_t images_in_block() const override { return lanes_; }
  const char* layout() const override { return "image lanes"; }
  int64_t value_bytes(int index) const override {
    const Value& v = stages_.values[index];
    return lines_of(v.channels) * map_bytes(v);
  }

  std::string shape(int index) const override {
    const Value& v = stages_.values[index];
    char text[96];
    std::snprintf(text, sizeof text, "%ld %ld %ld %ld", lines_of(v.channels), v.height, v.width, v.border);
    return text;
  }

  /// Images are normalized while they are loaded, before they are rounded.
  void load_images(const float* images, int64_t n, const Part& part) override {
    const Value& image = stages_.values[0];
    const Stage& entry = stages_.stages.front();
    const int target = normalizes_ ? entry.output : 0;
    const Value& to = stages_.values[target];
    const int64_t pixels = image.pixels();
    const int64_t channels = lines_of(image.channels), rows = channels * image.height;
    const auto [begin, end] = part.of((part.end - part.begin) * rows);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t block = part.begin + item / rows, channel = item % rows / image.height,
                    y = item % image.height;
      const int64_t first = channel * together_;
      kernels_.kernels->load(
          images + ((block * lanes_ * image.channels + first) * image.height + y) * image.width,
          image.channels * pixels, pixels, std::clamp<int64_t>(n - block * lanes_, 0, lanes_),
          std::min(together_, image.channels - first), image.width,
          normalizes_ ? entry.scale.data() + first : nullptr,
          normalizes_ ? entry.shift.data() + first : nullptr,
          value(target, block) + channel * map_bytes(to) + at(to, y, 0));
    }
  }

  void store_logits(float* logits, int64_t n, const Part& part) override {
    const Stage& last = stages_.stages.back();
    const Value& v = stages_.values[last.output];
    const auto [begin, end] = part.of(std::min(n, part.end * lanes_) - part.begin * lanes_);
    for (int64_t index = part.begin * lanes_ + begin; index < part.begin * lanes_ + end; ++index) {
      const char* base = value(last.output, index / lanes_) + at(v, 0, 0);
      for (int64_t c = 0; c < v.channels; ++c)
        logits[index * v.channels + c] =
            get(base + c / together_ * map_bytes(v), index % lanes_, c % together_);
    }
  }

  bool allowed(int stage, const Choice& choice) const override {
    const Stage& here = stages_.stages[stage];
    const int64_t pool = here.pool ? here.pool->kernel : 1;
    const Value shape = unpooled(stages_, here);
    return choice.rows % pool == 0 && choice.columns % pool == 0 && choice.rows <= shape.height &&
           choice.columns <= shape.width && choice.blocks <= together(stage) &&
           choice.blocks * choice.rows * (here.product->stride == 1 ? 1 : choice.columns) <= 8 &&
           choice.outputs * choice.tile() * kLine <= kSumsBytes;
  }

  std::vector<Choice> tiles(int stage, bool by_columns) const override {
    std::vector<Choice> found;
    for (const int least : {8, 4, 1}) {
      for (int blocks = 1; blocks <= std::min<int64_t>(8, together(stage)); blocks *= 2)
        for (int rows = 1; rows <= 8; rows *= 2)
          for (int columns = 1; columns <= 16; columns *= 2) {
            Choice choice{by_columns, blocks, rows, columns, 32, 16};
            const bool wide = by_columns && blocks * rows > 4;
            if (choice.tile() >= least && choice.tile() <= kMaxTile && !wide && allowed(stage, choice))
              found.push_back(choice);
          }
      if (!found.empty()) break;
    }
    return found;
  }

  std::vector<Choice> like(int stage, const Choice& best) const override {
    std::vector<Choice> found;
    for (const int outputs : {16, 32, 64, 128})
      for (const int inputs : {8, 16, 32, 1 << 20}) {
        Choice choice = best;
        choice.outputs = outputs, choice.inputs = inputs;
        if (!(choice == best) && allowed(stage, choice)) found.push_back(choice);
      }
    return found;
  }

  Packed pack_for(int stage, const Choice& choice) const override {
    const Value& in = stages_.values[stages_.stages[stage].input];
    const int64_t map = map_bytes(in), row = row_bytes(in);
    return pack(products_[stage].nonzeros, choice, options_.arithmetic, kernels_.kernels->column_step,
                [=](int64_t channel, int64_t y, int64_t x) {
                  return static_cast<uint32_t>(channel * map + y * row + x * kLine);
                });
  }

  void compute(int index, const Part& part, char* sums) override {
    const Stage& stage = stages_.stages[index];
    if (index == 0 && normalizes_) return;
    if (stage.reshape)
      reshape(stage, part);
    else if (!stage.product && stage.pool)
      pool(stage, part);
    else
      tiles_of(index, stage, part, sums);
  }

 private:
  int64_t lines_of(int64_t channels) const { return (channels + together_ - 1) / together_; }
  static int64_t row_bytes(const Value& v) { return (v.width + 2 * v.border) * kLine; }
  static int64_t map_bytes(const Value& v) { return (v.height + 2 * v.border) * row_bytes(v); }
  static int64_t at(const Value& v, int64_t y, int64_t x) {
    return (y + v.border) * row_bytes(v) + (x + v.border) * kLine;
  }

  void put(char* line, int64_t lane, const float* channels) const {
    switch (options_.arithmetic) {
      case Arithmetic::kFp32:
        std::memcpy(line + lane * 4, channels, 4);
        break;
      case Arithmetic::kBf16: {
        const uint16_t pair[2] = {c10::BFloat16(channels[0]).x, c10::BFloat16(channels[1]).x};
        std::memcpy(line + lane * 4, pair, 4);
        break;
      }
      case Arithmetic::kFp16: {
        const uint16_t half = c10::Half(channels[0]).x;
        std::memcpy(line + lane * 2, &half, 2);
        break;
      }
    }
  }
  float get(const char* line, int64_t lane, int64_t channel) const {
    if (options_.arithmetic == Arithmetic::kFp32) {
      float value;
      std::memcpy(&value, line + lane * 4, 4);
      return value;
    }
    uint16_t word;
    std::memcpy(&word, line + (options_.arithmetic == Arithmetic::kBf16 ? lane * 4 + channel * 2 : lane * 2),
                2);
    return options_.arithmetic == Arithmetic::kBf16
               ? static_cast<float>(c10::BFloat16(word, c10::BFloat16::from_bits()))
               : static_cast<float>(c10::Half(word, c10::Half::from_bits()));
  }

  /// A tile of blocks × rows × columns positions in another value: its first channel's lines.
  Map map_at(int index, int64_t block, int64_t count, int64_t channel, int64_t y, int64_t x, int64_t rows,
             int64_t columns) const {
    Map map;
    if (index < 0) return map;
    const Value& v = stages_.values[index];
    map.base = value(index, block) + channel / together_ * map_bytes(v);
    map.channel = map_bytes(v);
    int64_t* at = map.at;
    for (int64_t b = 0; b < count; ++b)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) *at++ = b * block_bytes(index) + this->at(v, y + r, x + c);
    return map;
  }

  /// Products, and what is done element by element.
  void tiles_of(int index, const Stage& stage, const Part& part, char* sums) {
    const Product& product = products_[index];
    Choice choice = product.choice;
    const Value shape = unpooled(stages_, stage);
    if (!stage.product)
      choice = {false, 1, 1, static_cast<int>(std::min<int64_t>(8, power_of_two_in(shape.width)))};
    const std::vector<Piece> groups = pieces_of(part.end - part.begin, choice.blocks);
    const std::vector<Piece> strips = pieces_of(shape.height, choice.rows);
    const std::vector<Piece> columns = pieces_of(shape.width, choice.columns);
    const auto outputs = stage.product ? static_cast<int64_t>(product.packed.blocks.size())
                                       : (shape.channels + choice.outputs - 1) / choice.outputs;
    const auto strip_count = static_cast<int64_t>(strips.size());
    const auto [begin, end] = part.of(static_cast<int64_t>(groups.size()) * strip_count * outputs);
    Epilogue epilogue{};
    epilogue.relu = stage.relu;
    epilogue.pool = stage.pool ? stage.pool->kernel : 1;
    epilogue.max_pool = stage.pool && stage.pool->max;
    for (int64_t item = begin; item < end; ++item) {
      const Piece& strip = strips[item / outputs % strip_count];
      Piece group = groups[item / (strip_count * outputs)];
      group.start += part.begin;
      const int64_t block = item % outputs, first = block * choice.outputs;
      epilogue.outputs = std::min<int64_t>(choice.outputs, shape.channels - first);
      epilogue.scale = stage.scale.empty() ? nullptr : stage.scale.data() + first;
      epilogue.shift = stage.shift.empty() ? nullptr : stage.shift.data() + first;
      for (const Piece& column : columns) {
        epilogue.rows = group.size * strip.size;
        epilogue.columns = column.size;
        const auto place = [&](int index, int64_t side) {
          return map_at(index, group.start, group.size, first, strip.start / side, column.start / side,
                        strip.size / side, column.size / side);
        };
        epilogue.residual = place(stage.residual, 1);
        epilogue.raw = place(stage.raw, 1);
        epilogue.output = place(stage.output, epilogue.pool);
        if (!stage.product) {
          kernels_.kernels->lift(place(stage.input, 1), epilogue.outputs, epilogue.positions(), sums);
          kernels_.kernels->epilogue(epilogue, sums);
          continue;
        }
        const Operands operands = operands_of(*stage.product, stage.input, group, strip, column);
        if (choice.by_columns)
          columns_of(*stage.product, product.packed, block, stage.bias.data(), operands, epilogue, sums);
        else
          jobs_of(product.packed, block, stage.bias.data(), operands, epilogue, sums);
      }
    }
  }

  /// Where a tile's operands lie: rows of lines that follow each other. With stride 1 those are rows of the
  /// map; else each position is a row of its own.
  struct Operands {
    const char* base;
    int64_t rows, columns;
    int64_t at[kMaxTile];
  };
  Operands operands_of(const sparse::Product& product, int input, const Piece& group, const Piece& strip,
                       const Piece& column) const {
    const Value& in = stages_.values[input];
    const int64_t stride = product.stride;
    Operands operands;
    operands.base = value(input, group.start) +
                    at(in, strip.start * stride - product.padding, column.start * stride - product.padding);
    operands.columns = stride == 1 ? column.size : 1;
    const int64_t apart = column.size / operands.columns;
    operands.rows = group.size * strip.size * apart;
    for (int64_t i = 0; i < operands.rows; ++i)
      operands.at[i] = i / (strip.size * apart) * block_bytes(input) +
                       i / apart % strip.size * stride * row_bytes(in) + i % apart * stride * kLine;
    return operands;
  }

  void jobs_of(const Packed& packed, int64_t block, const float* biases, const Operands& operands,
               const Epilogue& epilogue, char* sums) const {
    const Packed::Block& part = packed.blocks[block];
    kernels_.kernels->fill(biases + part.first, epilogue.outputs, epilogue.positions(), sums);
    if (part.jobs > 0)
      kernels_.kernels->jobs[log2_of(operands.rows)][log2_of(operands.columns)](
          packed.jobs.data() + part.job, packed.jobs.data() + part.job + part.jobs,
          packed.entries.data() + part.entry, operands.base, operands.at, sums);
    kernels_.kernels->epilogue(epilogue, sums);
  }

  /// Four positions at a time, with their epilogue where these are whole windows.
  void columns_of(const sparse::Product& product, const Packed& packed, int64_t block, const float* biases,
                  const Operands& operands, const Epilogue& epilogue, char* sums) const {
    const Packed::Block& part = packed.blocks[block];
    const auto [base, rows, columns, at] = operands;
    const bool windows = epilogue.pool == 2 && product.stride == 1;
    const bool finish = epilogue.pool == 1 || windows;
    const int64_t wide = std::min<int64_t>(columns, windows ? 2 : 4);
    const int64_t high = std::min(rows, windows ? 2 : columns > wide ? 1 : 4 / wide);
    const auto kernel = kernels_.kernels->columns[log2_of(high)][log2_of(wide)];
    Target target{sums, epilogue.positions(), finish ? &epilogue : nullptr, {}, 0};
    for (int64_t r = 0; r < rows; r += high)
      for (int64_t x = 0; x < columns; x += wide) {
        for (int64_t i = 0; i < high * wide; ++i) target.at[i] = (r + i / wide) * columns + x + i % wide;
        target.window = r / 2 * (columns / 2) + x / 2;
        kernel(packed.offsets.data() + part.column, part.columns, packed.words.data() + part.column * kGroup,
               biases + part.first, part.outputs, base + x * kLine, at + r, target);
      }
    if (!finish) kernels_.kernels->epilogue(epilogue, sums);
  }

  /// Pooling on its own.
  void pool(const Stage& stage, const Part& part) {
    const Value &in = stages_.values[stage.input], &out = stages_.values[stage.output];
    const int64_t side = stage.pool->kernel, stride = stage.pool->stride, channels = lines_of(out.channels);
    std::vector<int64_t> window(side * side);
    for (int64_t i = 0; i < side * side; ++i) window[i] = i / side * row_bytes(in) + i % side * kLine;
    const auto [begin, end] = part.of((part.end - part.begin) * channels);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t block = part.begin + item / channels, channel = item % channels;
      const char* from = value(stage.input, block) + channel * map_bytes(in);
      char* to = value(stage.output, block) + channel * map_bytes(out);
      for (int64_t y = 0; y < out.height; ++y)
        for (int64_t x = 0; x < out.width; ++x)
          kernels_.kernels->pool(from + at(in, y * stride, x * stride), window.data(), side * side,
                                 stage.pool->max, to + at(out, y, x));
    }
  }

  /// Flattened maps for what is no linear layer.
  void reshape(const Stage& stage, const Part& part) {
    const Value &in = stages_.values[stage.input], &out = stages_.values[stage.output];
    const auto [begin, end] = part.of(part.end - part.begin);
    for (int64_t block = part.begin + begin; block < part.begin + end; ++block) {
      for (int64_t line = 0; line < lines_of(out.channels); ++line) {
        char* to = value(stage.output, block) + line * map_bytes(out) + at(out, 0, 0);
        for (int64_t lane = 0; lane < lanes_; ++lane) {
          float channels[2] = {0, 0};
          for (int64_t c = 0; c < together_ && line * together_ + c < out.channels; ++c) {
            const int64_t feature = line * together_ + c, channel = feature / in.pixels();
            const int64_t pixel = feature % in.pixels();
            channels[c] = get(value(stage.input, block) + channel / together_ * map_bytes(in) +
                                  at(in, pixel / in.width, pixel % in.width),
                              lane, channel % together_);
          }
          put(to, lane, channels);
        }
      }
    }
  }

  /// Whether the first stage only scales and shifts the images, which nobody else reads.
  static bool normalizes(const Stages& stages) {
    const Stage& first = stages.stages.front();
    if (first.product || first.pool || first.reshape || first.relu || first.residual >= 0 || first.raw >= 0 ||
        first.scale.empty())
      return false;
    return std::none_of(stages.stages.begin() + 1, stages.stages.end(),
                        [](const Stage& stage) { return stage.input == 0 || stage.residual == 0; });
  }

  const int64_t lanes_, together_;
  const bool normalizes_;
};

}  // namespace

std::unique_ptr<Lanes> image_lanes(std::shared_ptr<const Stages> stages, const Lanes::Options& options) {
  return std::make_unique<ImageLanes>(std::move(stages), options);
}

}  // namespace coppice::sparse
