// Columns on tiles of 16 × 16 (Intel AMX): weights of 16 outputs × 16 columns times 16 gathered lines.
//
// For 32 outputs and two positions at a time: four tiles of sums, two of weights, two of lines, which are
// copied together first as tiles are loaded with one distance between rows. `Tiles` is the CPU's or an
// imitation.
namespace coppice::sparse {
namespace COPPICE_ISA {
namespace {

constexpr int kSide = 16;  ///< rows of a tile; columns of weights that are multiplied at once

/// Lines of 16 columns at one position, together.
[[gnu::always_inline]] inline void gather(const uint32_t* offsets, const char* at, char* lines) {
#pragma GCC unroll 16
  for (int k = 0; k < kSide; ++k) store(lines + k * kLine, load(at + offsets[k]));
}

template <class Tiles, int kRows, int kColumns>
void tile_columns(const uint32_t* offsets, int64_t count, const uint32_t* weights, const float* biases,
                  int64_t outputs, const char* base, const int64_t* rows, const Target& target) {
  constexpr int kTile = kRows * kColumns;
  constexpr int64_t kWeights = kSide * kLine;  ///< bytes of a tile
  alignas(64) char lines[2][2][kSide * kLine];
  const int64_t apart = target.positions * kLine;
  const bool both = outputs > kSide;
  for (int64_t output = 0; output < kGroup; ++output)
    for (int i = 0; i < kTile; ++i)
      store(target.sums + output * apart + target.at[i] * kLine, biases[output] - Floats{});
  Tiles tiles;
  for (int i = 0; i < kTile; i += 2) {
    const bool pair = i + 1 < kTile;
    const auto position = [&](int p) { return base + rows[p / kColumns] + (p % kColumns) * kLine; };
    char* place = target.sums + target.at[i] * kLine;
    char* next = target.sums + target.at[pair ? i + 1 : i] * kLine;
    tiles.template load<0>(place, apart);
    if (pair) tiles.template load<1>(next, apart);
    if (both) tiles.template load<2>(place + kSide * apart, apart);
    if (both && pair) tiles.template load<3>(next + kSide * apart, apart);
    const auto* words = reinterpret_cast<const char*>(weights);
    for (int64_t k = 0; k < count; k += kSide, words += 2 * kWeights) {
      auto& here = lines[k / kSide % 2];
      gather(offsets + k, position(i), here[0]);
      if (pair) gather(offsets + k, position(i + 1), here[1]);
      tiles.template load<4>(words, kLine);
      tiles.template load<6>(here[0], kLine);
      tiles.template multiply<0, 4, 6>();
      if (pair) {
        tiles.template load<7>(here[1], kLine);
        tiles.template multiply<1, 4, 7>();
      }
      if (!both) continue;
      tiles.template load<5>(words + kWeights, kLine);
      tiles.template multiply<2, 5, 6>();
      if (pair) tiles.template multiply<3, 5, 7>();
    }
    tiles.template save<0>(place, apart);
    if (pair) tiles.template save<1>(next, apart);
    if (both) tiles.template save<2>(place + kSide * apart, apart);
    if (both && pair) tiles.template save<3>(next + kSide * apart, apart);
  }
  if (target.epilogue == nullptr) return;
  for (int64_t output = 0; output < outputs; output += Bf16Lines::kChannels)
    finish_sums<Bf16Lines, kTile>(*target.epilogue, target.sums, target.positions, output, target.at,
                                  target.window);
}

template <class Tiles>
int64_t tile_peak(int64_t loops) {
  Tiles tiles;
  for (int64_t loop = 0; loop < loops; ++loop) {
    tiles.template multiply<0, 4, 6>();
    tiles.template multiply<1, 4, 7>();
    tiles.template multiply<2, 5, 6>();
    tiles.template multiply<3, 5, 7>();
  }
  return loops * 4 * kSide * kSide * kSide * 2;
}

template <class Tiles>
Kernels with_tiles(Kernels kernels, const char* name) {
  kernels.name = name;
  kernels.column_step = kSide;
  kernels.peak = tile_peak<Tiles>;
  kernels.columns[0][0] = tile_columns<Tiles, 1, 1>, kernels.columns[0][1] = tile_columns<Tiles, 1, 2>;
  kernels.columns[0][2] = tile_columns<Tiles, 1, 4>, kernels.columns[1][0] = tile_columns<Tiles, 2, 1>;
  kernels.columns[1][1] = tile_columns<Tiles, 2, 2>, kernels.columns[2][0] = tile_columns<Tiles, 4, 1>;
  return kernels;
}

/// What the instructions do, one multiply-add after another.
class ImitatedTiles {
 public:
  template <int kIndex>
  void load(const char* from, int64_t apart) {
    for (int row = 0; row < kSide; ++row) __builtin_memcpy(tiles_[kIndex][row], from + row * apart, kLine);
  }
  template <int kIndex>
  void save(char* to, int64_t apart) const {
    for (int row = 0; row < kSide; ++row) __builtin_memcpy(to + row * apart, tiles_[kIndex][row], kLine);
  }
  /// sums[m][n] += Σk weights[m][k].lower · lines[k][n].lower + weights[m][k].upper · lines[k][n].upper
  template <int kSums, int kWeights, int kLines>
  void multiply() {
    for (int m = 0; m < kSide; ++m)
      for (int k = 0; k < kSide; ++k)
        for (int n = 0; n < kSide; ++n) {
          const uint32_t w = tiles_[kWeights][m][k], x = tiles_[kLines][k][n];
          float sum = bits<float>(tiles_[kSums][m][n]);
          sum += bits<float>(w << 16) * bits<float>(x << 16);
          sum += bits<float>(w & 0xffff0000u) * bits<float>(x & 0xffff0000u);
          tiles_[kSums][m][n] = bits<uint32_t>(sum);
        }
  }

 private:
  uint32_t tiles_[8][kSide][kSide];
};

}  // namespace
}  // namespace COPPICE_ISA
}  // namespace coppice::sparse
