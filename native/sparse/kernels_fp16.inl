// Half precision: 32 images in a line, products and sums in halves (AVX512-FP16, or imitated bit for bit and
// slowly). Sums of a pruned layer are short, so that their rounding stays at that of bf16 operands.
namespace coppice::sparse {
namespace COPPICE_ISA {
namespace {

#ifdef COPPICE_IMITATE_FP16
#define COPPICE_FP16_INLINE [[gnu::noinline]]
#else
#define COPPICE_FP16_INLINE [[gnu::always_inline]]
#endif

using Halves = _Float16 __attribute__((vector_size(64)));
using LooseHalves = _Float16 __attribute__((vector_size(64), aligned(2), may_alias));
using HalfLine = _Float16 __attribute__((vector_size(32)));
using LooseHalfLine = _Float16 __attribute__((vector_size(32), aligned(2), may_alias));

struct Fp16 {
  using Sum = Halves;
  using Weight = Halves;
  static constexpr bool kNarrow = false;
  [[gnu::always_inline]] static Sum start(float bias) { return static_cast<_Float16>(bias) - Halves{}; }
  [[gnu::always_inline]] static Weight weight(uint32_t word) { return bits<Halves>(word - Words{}); }
  [[gnu::always_inline]] static Halves operand(const char* at) {
    return *reinterpret_cast<const LooseHalves*>(at);
  }
  COPPICE_FP16_INLINE static void add(Sum& sum, const Weight& weight, const Halves& operand) {
    sum += weight * operand;
  }
};

struct Fp16Lines {
  static constexpr int kChannels = 1, kParts = 2;
  [[gnu::always_inline]] static void read(const char* at, Floats (*channel)[2]) { sums(at, channel[0]); }
  [[gnu::always_inline]] static void write(char* at, const Floats (*channel)[2]) {
    write_sums(at, channel[0]);
  }
  [[gnu::always_inline]] static void write_sums(char* at, const Floats* parts) {
    for (int p = 0; p < 2; ++p)
      *reinterpret_cast<LooseHalfLine*>(at + p * 32) = __builtin_convertvector(parts[p], HalfLine);
  }
  [[gnu::always_inline]] static void parts(const Halves& sum, Floats* parts) {
    HalfLine halves[2];
    __builtin_memcpy(halves, &sum, sizeof halves);
    for (int p = 0; p < 2; ++p) parts[p] = __builtin_convertvector(halves[p], Floats);
  }
  [[gnu::always_inline]] static void sums(const char* at, Floats* parts) {
    for (int p = 0; p < 2; ++p)
      parts[p] = __builtin_convertvector(*reinterpret_cast<const LooseHalfLine*>(at + p * 32), Floats);
  }
};

}  // namespace
}  // namespace COPPICE_ISA
}  // namespace coppice::sparse
