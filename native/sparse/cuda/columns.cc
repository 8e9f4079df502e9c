#include "sparse/cuda/columns.h"

#include <algorithm>

#include "sparse/cuda/fragments.h"

namespace coppice::sparse::cuda {
namespace {

/// Row of a tap's operand, counted from that of a position's first tap. `tap` counts channels, then rows and
/// columns.
template <class T>
int32_t offset_of(const Product& product, const Maps<T>& input, int64_t tap) {
  const int64_t x = tap % product.kernel_width, y = tap / product.kernel_width % product.kernel_height;
  const int64_t channel = tap / (product.kernel_width * product.kernel_height);
  return static_cast<int32_t>(channel * input.map() + y * input.row() + x);
}

}  // namespace

template <class T>
Columns<T> pack_columns(const Product& product, const Maps<T>& input, int group, bool fragments) {
  const float* weights = product.weight.const_data_ptr<float>();
  const int64_t outputs = product.outputs(), taps = product.weight.numel() / outputs;
  Columns<T> packed;
  packed.start.push_back(0);
  for (int64_t first = 0; first < outputs; first += group) {
    const int64_t here = std::min<int64_t>(group, outputs - first);
    std::vector<char> used(taps, 0);
    for (int64_t o = 0; o < here; ++o)
      for (int64_t tap = 0; tap < taps; ++tap) used[tap] |= weights[(first + o) * taps + tap] != 0;
    std::vector<int64_t> columns;
    for (int64_t tap = 0; tap < taps; ++tap)
      if (used[tap]) columns.push_back(tap);
    const auto count = static_cast<int64_t>(columns.size());
    const int64_t filled = (count + kDepth - 1) / kDepth * kDepth;
    const size_t base = packed.weights.size();
    packed.weights.resize(base + filled * group, T{});
    for (int64_t k = 0; k < filled; ++k) {
      packed.offsets.push_back(k < count ? offset_of(product, input, columns[k]) : 0);
      for (int64_t o = 0; o < here && k < count; ++o) {
        const int64_t place = fragments ? weight_place(group, k, static_cast<int>(o)) : k * group + o;
        from_float(weights[(first + o) * taps + columns[k]], packed.weights[base + place]);
      }
    }
    packed.start.push_back(static_cast<int32_t>(packed.offsets.size()));
  }
  return packed;
}

template <class T>
Singles pack_singles(const Product& product, const Maps<T>& input) {
  const float* weights = product.weight.const_data_ptr<float>();
  const int64_t outputs = product.outputs(), taps = product.weight.numel() / outputs;
  Singles packed;
  packed.start.push_back(0);
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      if (weights[o * taps + tap] == 0) continue;
      T rounded;
      from_float(weights[o * taps + tap], rounded);
      packed.entries.push_back({offset_of(product, input, tap), to_float(rounded)});
    }
    packed.start.push_back(static_cast<int32_t>(packed.entries.size()));
  }
  return packed;
}

template Columns<float> pack_columns(const Product&, const Maps<float>&, int, bool);
template Columns<Bf16> pack_columns(const Product&, const Maps<Bf16>&, int, bool);
template Singles pack_singles(const Product&, const Maps<float>&);
template Singles pack_singles(const Product&, const Maps<Bf16>&);

}  // namespace coppice::sparse::cuda
