#include "sparse/packing.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cmath>
#include <cstdio>
#include <cstring>

namespace coppice::sparse {
namespace {

uint32_t float_bits(float value) {
  uint32_t word;
  std::memcpy(&word, &value, sizeof word);
  return word;
}

}  // namespace

Nonzeros nonzeros(const Product& product, Arithmetic arithmetic) {
  const float* weights = product.weight.const_data_ptr<float>();
  const int64_t inputs = product.inputs(), outputs = product.outputs();
  const int64_t height = product.kernel_height, width = product.kernel_width, taps = height * width;
  const int64_t together = arithmetic == Arithmetic::kBf16 ? 2 : 1;
  Nonzeros found;
  found.channels = (inputs + together - 1) / together;
  found.start.push_back(0);
  for (int64_t output = 0; output < outputs; ++output) {
    const float* row = weights + output * inputs * taps;
    for (int64_t channel = 0; channel < found.channels; ++channel) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t input = channel * together;
        const float first = row[input * taps + tap];
        const float second = together == 2 && input + 1 < inputs ? row[(input + 1) * taps + tap] : 0.0f;
        if (first == 0 && second == 0) continue;
        found.weights += (first != 0) + (second != 0);
        uint32_t word = 0;
        switch (arithmetic) {
          case Arithmetic::kFp32:
            word = float_bits(first);
            break;
          case Arithmetic::kBf16:
            word = c10::BFloat16(first).x | static_cast<uint32_t>(c10::BFloat16(second).x) << 16;
            break;
          case Arithmetic::kFp16:
            word = c10::Half(first).x * 0x10001u;
            found.finite &= std::abs(first) < 65504.0f;
            break;
        }
        found.entries.push_back({static_cast<int32_t>(channel), static_cast<int16_t>(tap / width),
                                 static_cast<int16_t>(tap % width), word});
      }
    }
    found.start.push_back(static_cast<uint32_t>(found.entries.size()));
  }
  return found;
}

std::string Choice::text() const {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%s %dx%dx%d o%d i%d", by_columns ? "columns" : "jobs", blocks, rows,
                columns, outputs, inputs);
  return buffer;
}

bool Choice::parse(const std::string& text, Choice& choice) {
  char kind[16];
  Choice read;
  if (std::sscanf(text.c_str(), "%15s %dx%dx%d o%d i%d", kind, &read.blocks, &read.rows, &read.columns,
                  &read.outputs, &read.inputs) != 6)
    return false;
  read.by_columns = std::strcmp(kind, "columns") == 0;
  const auto power = [](int value, int most) {
    return value >= 1 && value <= most && (value & (value - 1)) == 0;
  };
  if (!power(read.blocks, 8) || !power(read.rows, 16) || !power(read.columns, 16) || read.tile() > kMaxTile ||
      !power(read.outputs, 256) || read.inputs < 1 || (read.by_columns && read.outputs != kGroup) ||
      read.outputs < 2 || read.text() != text)
    return false;
  choice = read;
  return true;
}

void interleave(Packed& packed, Packed::Block& block, int64_t step) {
  const int64_t columns = (block.columns + step - 1) / step * step;
  // A column of zeros may read anything that is there, as the tile's first line is.
  packed.offsets.resize(block.column + columns, 0);
  packed.words.resize((block.column + columns) * kGroup, 0);
  const std::vector<uint32_t> before(packed.words.begin() + block.column * kGroup, packed.words.end());
  for (int64_t k = 0; k < columns; ++k)
    for (int64_t output = 0; output < kGroup; ++output)
      packed.words[block.column * kGroup + k / step * step * kGroup + output * step + k % step] =
          before[k * kGroup + output];
  block.columns = static_cast<uint32_t>(columns);
}

int64_t Packed::bytes() const {
  return static_cast<int64_t>(jobs.size() * sizeof(Job) + entries.size() * sizeof(Entry) +
                              (offsets.size() + words.size()) * sizeof(uint32_t));
}

}  // namespace coppice::sparse
