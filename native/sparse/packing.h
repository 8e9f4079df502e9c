// The weights that are left, in the order in which the kernels read them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sparse/kernels.h"
#include "sparse/stages.h"

namespace coppice::sparse {

/// Non-zero weights of a product, output by output: input channel (or pair of channels for bf16), tap, bits.
struct Nonzero {
  int32_t channel;
  int16_t y, x;
  uint32_t word;
};
struct Nonzeros {
  std::vector<uint32_t> start;  ///< of each output in `entries`, and the end
  std::vector<Nonzero> entries;
  int64_t channels = 0;  ///< input channels (pairs)
  int64_t weights = 0;   ///< that are not zero
  bool finite = true;    ///< whether the arithmetic can hold all of them
};
Nonzeros nonzeros(const Product& product, Arithmetic arithmetic);

/// How a stage is computed: by jobs (single weights) or by columns that 32 outputs share, on tiles of
/// blocks × rows × columns positions.
struct Choice {
  bool by_columns = false;
  int blocks = 1, rows = 1, columns = 1;
  int outputs = 32;  ///< of a block of sums
  int inputs = 16;   ///< channels (pairs) whose weights are read together; jobs only
  int tile() const { return blocks * rows * columns; }
  std::string text() const;
  /// Empty where `text` is no choice.
  static bool parse(const std::string& text, Choice& choice);
  bool operator==(const Choice&) const = default;
};

/// Weights of a stage, packed for a choice.
struct Packed {
  struct Block {
    int64_t first, outputs;     ///< its outputs
    uint32_t job, jobs, entry;  ///< by jobs
    uint32_t column, columns;   ///< by columns
  };
  std::vector<Block> blocks;
  std::vector<Job> jobs;
  std::vector<Entry> entries;
  std::vector<uint32_t> offsets, words;
  int64_t products = 0;  ///< multiply-adds per position, with zeros that are carried along
  int64_t bytes() const;
};

/// `column_step` is the kernels'; `offset(channel, y, x)`: bytes from a tile's first line to the operand.
template <class Offset>
Packed pack(const Nonzeros& nonzeros, const Choice& choice, Arithmetic arithmetic, int64_t column_step,
            Offset offset);

/// Brings a block's words from [columns][32] to [columns / step][32][step], filling up with columns of zeros.
void interleave(Packed& packed, Packed::Block& block, int64_t step);

}  // namespace coppice::sparse

#include "sparse/packing.inl"
