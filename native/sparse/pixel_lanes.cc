// Pixel lanes: a line holds 16 neighbouring pixels of one channel of one image, in fp32. So that operands
// follow each other in memory for every tap of a convolution, a value is stored once for each column of a
// reader's kernel, moved by that column and thinned by its stride; small maps once for each tap, so that
// every operand is an aligned line.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "sparse/lanes.h"

namespace coppice::sparse {
namespace {

constexpr int64_t kPixels = kLine / 4;

/// A value as one kind of reader needs it: planes [phase][column] of [row][x], where row r of phase p and
/// column k holds in[stride · r + p − padding][stride · x + k − padding], and zeros beyond the map.
struct View {
  int64_t kernel_height, kernel_width, stride, padding;
  int64_t rows = 0, width = 0;  ///< of a plane
  int64_t offset = 0;           ///< of the first channel, in floats
  int64_t phases() const { return std::min(stride, kernel_height); }
  int64_t plane() const { return rows * width; }
  int64_t channel() const {
    return small() ? kernel_height * kernel_width * lanes : phases() * kernel_width * plane();
  }
  /// Of maps of at most 16 pixels: planes [tap] of `lanes` floats each, as a permutation of the map's pixels.
  int64_t lanes = 0;
  std::vector<int32_t> index;
  std::vector<uint32_t> mask;
  bool small() const { return lanes > 0; }

  /// Floats from a tile's first to the operand of a tap.
  int64_t tap(int64_t y, int64_t x) const {
    if (small()) return (y * kernel_width + x) * lanes;
    return (y % stride * kernel_width + x) * plane() + y / stride * width;
  }
  bool serves(int64_t height, int64_t width, int64_t step, int64_t border) const {
    return kernel_height == height && kernel_width == width && stride == step && padding == border;
  }
};

class PixelLanes final : public Lanes {
 public:
  PixelLanes(std::shared_ptr<const Stages> stages, const Options& options)
      : Lanes(std::move(stages), options), views_(stages_.values.size()) {
    // Every value has its maps as they are, in front.
    for (size_t index = 0; index < views_.size(); ++index) add_view(static_cast<int>(index), 1, 1, 1, 0);
    for (const Stage& stage : stages_.stages)
      if (const auto& p = stage.product)
        add_view(stage.input, p->kernel_height, p->kernel_width, p->stride, p->padding);
    allocate();
  }

  std::string name() const override { return std::string("pixel lanes fp32, ") + kernels_.kernels->name; }

  /// Whether a row of every product fits into a tile.
  static bool fits(const Stages& stages) {
    return std::all_of(stages.stages.begin(), stages.stages.end(), [&](const Stage& stage) {
      const int64_t pool = stage.pool && stage.product ? stage.pool->kernel : 1;
      return pool * unpooled(stages, stage).width <= kMaxTile * kPixels;
    });
  }

 protected:
  int64_t images_in_block() const override { return 1; }
  const char* layout() const override { return "pixel lanes"; }
  int64_t value_bytes(int index) const override {
    const View& last = views_[index].back();
    return (last.offset + stages_.values[index].channels * last.channel()) * 4;
  }

  std::string shape(int index) const override {
    std::string text;
    for (const View& view : views_[index]) {
      char part[96];
      std::snprintf(part, sizeof part, "%ld %ld %ld %ld %ld %ld %ld;", stages_.values[index].channels,
                    view.rows, view.width, view.kernel_height, view.kernel_width, view.stride, view.padding);
      text += part;
    }
    return text;
  }

  void load_images(const float* images, int64_t n, const Part& part) override {
    const Value& image = stages_.values[0];
    const int64_t rows = image.channels * image.height;
    const auto [begin, end] = part.of((std::min(n, part.end) - part.begin) * rows);
    for (int64_t item = part.begin * rows + begin; item < part.begin * rows + end; ++item)
      write_row(0, item / rows, item % rows / image.height, item % image.height, images + item * image.width);
    // Images of a few pixels are for tests.
    for (int64_t item = part.begin * image.channels;
         image.pixels() <= kPixels && item < part.end * image.channels; ++item) {
      if (part.index != 0 || item / image.channels >= n) break;
      float map[kPixels] = {};
      std::copy_n(images + item * image.pixels(), image.pixels(), map);
      write_map(0, item / image.channels, item % image.channels, map);
    }
  }

  void store_logits(float* logits, int64_t n, const Part& part) override {
    const int last = stages_.stages.back().output;
    const int64_t classes = stages_.values[last].channels;
    const auto [begin, end] = part.of(std::min(n, part.end) - part.begin);
    for (int64_t index = part.begin + begin; index < part.begin + end; ++index)
      std::memcpy(logits + index * classes, row(last, index, 0, 0), classes * 4);
  }

  bool allowed(int stage, const Choice& choice) const override {
    // A small map is written as a whole.
    const bool whole = stages_.values[stages_.stages[stage].output].pixels() <= kPixels;
    const int64_t least = whole ? unpooled(stages_, stages_.stages[stage]).height : 1;
    return choice.blocks == 1 && choice.rows == 1 && strip_height(stage, choice) >= least &&
           choice.outputs * choice.tile() * kLine <= kSumsBytes;
  }

  std::vector<Choice> tiles(int stage, bool by_columns) const override {
    std::vector<Choice> found;
    for (int columns = 1; columns <= kMaxTile; columns *= 2) {
      const Choice choice{by_columns, 1, 1, columns, 32, 1 << 20};
      // A larger tile than the whole map only wastes.
      const bool larger =
          columns > 1 && columns * kPixels / 2 >= unpooled(stages_, stages_.stages[stage]).pixels();
      if (!larger && allowed(stage, choice)) found.push_back(choice);
    }
    return found;
  }

  std::vector<Choice> like(int stage, const Choice& best) const override {
    std::vector<Choice> found;
    for (const int outputs : {8, 16, 32, 64})
      for (const int inputs : {16, 64, 1 << 20}) {
        Choice choice = best;
        choice.outputs = outputs, choice.inputs = inputs;
        if (!(choice == best) && allowed(stage, choice)) found.push_back(choice);
      }
    return found;
  }

  Packed pack_for(int stage, const Choice& choice) const override {
    const View& view = view_of(stages_.stages[stage]);
    return pack(products_[stage].nonzeros, choice, Arithmetic::kFp32, kernels_.kernels->column_step,
                [&](int64_t channel, int64_t y, int64_t x) {
                  return static_cast<uint32_t>((channel * view.channel() + view.tap(y, x)) * 4);
                });
  }

  void compute(int index, const Part& part, char* sums) override {
    const Stage& stage = stages_.stages[index];
    if (stage.reshape)
      reshape(stage, part);
    else if (!stage.product && stage.pool)
      pool(stage, part);
    else
      strips_of(index, stage, part, sums);
  }

 private:
  void add_view(int index, int64_t height, int64_t width, int64_t stride, int64_t padding) {
    std::vector<View>& views = views_[index];
    for (const View& view : views)
      if (view.serves(height, width, stride, padding)) return;
    const Value& v = stages_.values[index];
    View view{height, width, stride, padding, 0, 0, 0, 0, {}, {}};
    const int64_t out_height = (v.height + 2 * padding - height) / stride + 1;
    view.rows = out_height + (height - 1) / stride;
    view.width = (v.width + 2 * padding - width) / stride + 1;
    if (v.pixels() <= kPixels && out_height * view.width <= kPixels && !views.empty() &&
        out_height * view.width > 1)
      make_small(view, v, out_height);
    if (!views.empty()) {
      view.offset = views.back().offset + v.channels * views.back().channel();
      view.offset = (view.offset + kPixels - 1) / kPixels * kPixels;
    }
    views.push_back(view);
  }

  static void make_small(View& view, const Value& v, int64_t out_height) {
    view.lanes = out_height * view.width <= 4 ? 4 : kPixels;
    const int64_t planes = view.kernel_height * view.kernel_width;
    view.index.assign(planes * kPixels, 0);
    view.mask.assign(planes * kPixels, 0);
    for (int64_t plane = 0; plane < planes; ++plane)
      for (int64_t pixel = 0; pixel < out_height * view.width; ++pixel) {
        const int64_t y = pixel / view.width * view.stride + plane / view.kernel_width - view.padding;
        const int64_t x = pixel % view.width * view.stride + plane % view.kernel_width - view.padding;
        if (y < 0 || x < 0 || y >= v.height || x >= v.width) continue;
        view.index[plane * kPixels + pixel] = static_cast<int32_t>(y * v.width + x);
        view.mask[plane * kPixels + pixel] = ~uint32_t{0};
      }
  }
  const View& view_of(const Stage& stage) const {
    const sparse::Product& p = *stage.product;
    for (const View& view : views_[stage.input])
      if (view.serves(p.kernel_height, p.kernel_width, p.stride, p.padding)) return view;
    throw std::logic_error("a product's view is missing");
  }

  const float* row(int index, int64_t block, int64_t channel, int64_t y) const {
    const Value& v = stages_.values[index];
    return reinterpret_cast<const float*>(value(index, block)) + channel * v.pixels() + y * v.width;
  }

  /// Puts a row of a map into all views.
  void write_row(int index, int64_t block, int64_t channel, int64_t y, const float* values) const {
    const int64_t length = stages_.values[index].width;
    for (const View& view : views_[index]) {
      if (view.small()) continue;
      float* base = reinterpret_cast<float*>(value(index, block)) + view.offset + channel * view.channel();
      for (int64_t phase = 0; phase < view.phases(); ++phase) {
        const int64_t down = y + view.padding - phase;
        if (down < 0 || down % view.stride != 0 || down / view.stride >= view.rows) continue;
        for (int64_t k = 0; k < view.kernel_width; ++k) {
          float* to = base + (phase * view.kernel_width + k) * view.plane() + down / view.stride * view.width;
          const int64_t shift = k - view.padding;
          const int64_t first = shift < 0 ? (-shift + view.stride - 1) / view.stride : 0;
          const int64_t last = std::min(view.width, (length - 1 - shift + view.stride) / view.stride);
          if (view.stride == 1) {
            if (last > first) std::memcpy(to + first, values + first + shift, (last - first) * 4);
          } else {
            for (int64_t x = first; x < last; ++x) to[x] = values[x * view.stride + shift];
          }
        }
      }
    }
  }

  /// Puts a small map, with 16 floats to read, into the views that hold whole maps.
  void write_map(int index, int64_t block, int64_t channel, const float* pixels) const {
    for (const View& view : views_[index])
      if (view.small())
        kernels_.kernels->spread(pixels, view.index.data(), view.mask.data(),
                                 view.kernel_height * view.kernel_width, view.lanes * 4,
                                 value(index, block) + (view.offset + channel * view.channel()) * 4);
  }

  /// Rows that a tile of `choice` takes, or 0 where not even the least fits.
  int64_t strip_height(int stage, const Choice& choice) const {
    const Stage& here = stages_.stages[stage];
    const Value shape = unpooled(stages_, here);
    const int64_t pool = here.pool ? here.pool->kernel : 1;
    return std::min(shape.height, choice.columns * kPixels / shape.width / pool * pool);
  }

  void strips_of(int index, const Stage& stage, const Part& part, char* sums) {
    const Product& product = products_[index];
    const Value shape = unpooled(stages_, stage);
    const Choice choice = product.choice;
    const int64_t height = stage.product ? strip_height(index, choice) : shape.height;
    const int64_t strips = (shape.height + height - 1) / height;
    const int64_t outputs =
        stage.product ? static_cast<int64_t>(product.packed.blocks.size()) : shape.channels;
    const auto [begin, end] = part.of((part.end - part.begin) * strips * outputs);
    std::vector<float> rows(stage.product ? 0 : std::max(shape.pixels(), kPixels));
    RowsEpilogue epilogue{};
    epilogue.width = shape.width;
    epilogue.affine = !stage.scale.empty();
    epilogue.relu = stage.relu;
    epilogue.pool = stage.pool ? stage.pool->kernel : 1;
    epilogue.max_pool = stage.pool && stage.pool->max;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t block = part.begin + item / (strips * outputs), y = item / outputs % strips * height;
      epilogue.rows = std::min(height, shape.height - y);
      if (!stage.product) {
        const int64_t channel = item % outputs;
        std::memcpy(rows.data(), row(stage.input, block, channel, 0), shape.pixels() * 4);
        finish(stage, epilogue, block, channel, y, rows.data());
        continue;
      }
      const Packed::Block& part = product.packed.blocks[item % outputs];
      if (!choice.by_columns)
        kernels_.kernels->fill(stage.bias.data() + part.first, part.outputs, choice.columns, sums);
      const View& view = view_of(stage);
      const char* base = value(stage.input, block) + (view.offset + y * view.width) * 4;
      const int64_t none[1] = {0};
      const JobsKernel jobs =
          view.lanes == 4
              ? kernels_.kernels->narrow_jobs
              : kernels_.kernels->jobs[0][std::countr_zero(static_cast<unsigned>(choice.columns))];
      if (part.jobs > 0)
        jobs(product.packed.jobs.data() + part.job, product.packed.jobs.data() + part.job + part.jobs,
             product.packed.entries.data() + part.entry, base, none, sums);
      if (choice.by_columns) {
        const int wide = std::min(choice.columns, 4);
        for (int x = 0; x < choice.columns; x += wide)
          kernels_.kernels->columns[0][std::countr_zero(static_cast<unsigned>(wide))](
              product.packed.offsets.data() + part.column, part.columns,
              product.packed.words.data() + part.column * kGroup, stage.bias.data() + part.first,
              part.outputs, base + x * kLine, none,
              Target{sums, choice.columns, nullptr, {x, x + 1, x + 2, x + 3}, 0});
      }
      for (int64_t o = 0; o < part.outputs; ++o)
        finish(stage, epilogue, block, part.first + o, y,
               reinterpret_cast<float*>(sums + o * choice.columns * kLine));
    }
  }

  /// What follows the sums of one channel, in rows from y on.
  void finish(const Stage& stage, RowsEpilogue& epilogue, int64_t block, int64_t channel, int64_t y,
              float* values) const {
    const int64_t size = epilogue.rows * epilogue.width;
    if (stage.residual >= 0) {
      const float* more = row(stage.residual, block, channel, y);
      for (int64_t i = 0; i < size; ++i) values[i] += more[i];
    }
    if (stage.raw >= 0) {
      for (int64_t r = 0; r < epilogue.rows; ++r)
        write_row(stage.raw, block, channel, y + r, values + r * epilogue.width);
      write_map(stage.raw, block, channel, values);
    }
    if (epilogue.affine) epilogue.scale = stage.scale[channel], epilogue.shift = stage.shift[channel];
    kernels_.kernels->rows(epilogue, values);
    const int64_t width = epilogue.width / epilogue.pool;
    for (int64_t r = 0; r < epilogue.rows / epilogue.pool; ++r)
      write_row(stage.output, block, channel, y / epilogue.pool + r, values + r * width);
    if (epilogue.rows / epilogue.pool == stages_.values[stage.output].height)
      write_map(stage.output, block, channel, values);
  }

  void pool(const Stage& stage, const Part& part) const {
    const Value& out = stages_.values[stage.output];
    const int64_t side = stage.pool->kernel, stride = stage.pool->stride;
    const auto [begin, end] = part.of((part.end - part.begin) * out.channels);
    std::vector<float> values(out.width), map(kPixels + out.width);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t block = part.begin + item / out.channels, channel = item % out.channels;
      for (int64_t y = 0; y < out.height; ++y) {
        for (int64_t x = 0; x < out.width; ++x) {
          float found = stage.pool->max ? -std::numeric_limits<float>::infinity() : 0.0f;
          for (int64_t i = 0; i < side; ++i) {
            const float* from = row(stage.input, block, channel, y * stride + i) + x * stride;
            for (int64_t j = 0; j < side; ++j)
              found = !stage.pool->max                       ? found + from[j]
                      : found > from[j] || std::isnan(found) ? found
                                                             : from[j];
          }
          values[x] = stage.pool->max ? found : found / static_cast<float>(side * side);
        }
        write_row(stage.output, block, channel, y, values.data());
        std::copy_n(values.begin(), out.width, map.begin() + std::min<int64_t>(y * out.width, kPixels));
      }
      if (out.pixels() <= kPixels) write_map(stage.output, block, channel, map.data());
    }
  }

  void reshape(const Stage& stage, const Part& part) const {
    const Value& out = stages_.values[stage.output];
    const auto [begin, end] = part.of(part.end - part.begin);
    for (int64_t block = part.begin + begin; block < part.begin + end; ++block) {
      // Maps lie channel by channel, as flatten orders them.
      const float* from = row(stage.input, block, 0, 0);
      for (int64_t channel = 0; channel < out.channels; ++channel) {
        const float pixel[kPixels] = {from[channel]};
        write_row(stage.output, block, channel, 0, pixel);
        write_map(stage.output, block, channel, pixel);
      }
    }
  }

  std::vector<std::vector<View>> views_;
};

}  // namespace

std::unique_ptr<Lanes> pixel_lanes(std::shared_ptr<const Stages> stages, const Lanes::Options& options) {
  if (!PixelLanes::fits(*stages)) return nullptr;
  return std::make_unique<PixelLanes>(std::move(stages), options);
}

}  // namespace coppice::sparse
