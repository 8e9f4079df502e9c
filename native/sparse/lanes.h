// Programs whose vectors hold one channel (pair) of many images or of many pixels: what the two layouts share, which is
// threads, memory, packing and tuning.
#pragma once
#include "sparse/packing.h"
#include "sparse/program.h"
#include "sparse/team.h"

namespace coppice::sparse {

/// Memory on cache lines, zero at first, with a few lines behind the end that may be read.
class Buffer {
 public:
  void allocate(int64_t bytes);
  char* data() const { return tensor_.defined() ? static_cast<char*>(tensor_.data_ptr()) : nullptr; }
  int64_t bytes() const { return tensor_.defined() ? static_cast<int64_t>(tensor_.nbytes()) : 0; }

 private:
  at::Tensor tensor_;
};

/// Bytes of all sums of a block of outputs, at most.
inline constexpr int64_t kSumsBytes = 256 * kMaxTile * kLine;

class Lanes : public Program {
 public:
  struct Options {
    Arithmetic arithmetic = Arithmetic::kFp32;
    int threads = 1;
    int64_t blocks = 1;  ///< that are in memory at once
    bool portable = false;
  };

  void run(const float* images, int64_t n, float* logits) override;
  std::vector<StageReport> profile(const float* images, int64_t n) override;
  int64_t bytes() const override;
  int64_t granularity() const override { return images_in_block(); }

  /// Packs every stage for the fastest of its choices, measured on `images` or known from `tuning`, to which new
  /// choices are added. Throws std::invalid_argument where the arithmetic cannot hold a weight.
  void tune(const float* images, int64_t n, Tuning& tuning, const Interrupt& interrupt);

 protected:
  Lanes(std::shared_ptr<const Stages> stages, const Options& options);

  using Member = Team::Member;
  virtual int64_t images_in_block() const = 0;
  virtual const char* layout() const = 0;
  /// Bytes of a value for one block.
  virtual int64_t value_bytes(int value) const = 0;
  virtual void load_images(const float* images, int64_t n, const Member& member) = 0;
  virtual void store_logits(float* logits, int64_t n, const Member& member) = 0;
  virtual void compute(int stage, const Member& member) = 0;
  /// Choices to try: first ones whose tiles differ, then ones like the best of those.
  virtual std::vector<Choice> tiles(int stage, bool by_columns) const = 0;
  virtual std::vector<Choice> like(int stage, const Choice& best) const = 0;
  virtual Packed pack_for(int stage, const Choice& choice) const = 0;
  /// Whether `choice` can compute the stage.
  virtual bool allowed(int stage, const Choice& choice) const = 0;

  struct Product {
    Nonzeros nonzeros;
    Choice choice;
    Packed packed;
  };
  /// Allocates the values; the constructors of layouts call it.
  void allocate();
  char* value(int index, int64_t block) const {
    return values_[index].data() + block * value_bytes_[index];
  }
  /// Sums of a thread.
  char* sums(const Member& member) const { return sums_.data() + member.index() * sums_bytes_; }

  const std::shared_ptr<const Stages> shared_;
  const Stages& stages_;
  const Options options_;
  const KernelChoice kernels_;
  std::vector<Product> products_;  ///< by stage
  std::vector<int64_t> value_bytes_;
  int64_t active_ = 0;  ///< blocks that hold images in this round

 private:
  using Times = std::vector<double>;
  void round(const float* images, int64_t n, float* logits, const Member& member, Times* times);
  void use(int stage, const Choice& choice);
  double measure(int stage, const Choice& choice, double give_up);
  Choice best_choice(int stage, const Interrupt& interrupt);
  std::string key(int stage) const;

  Team team_;
  std::vector<Buffer> values_;
  Buffer sums_;
  int64_t sums_bytes_ = 0;
};

/// A vector holds 16 images (32 in halves): for batches.
std::unique_ptr<Lanes> image_lanes(std::shared_ptr<const Stages> stages, const Lanes::Options& options);

/// A vector holds 16 pixels of one image, in fp32: for single images. Null for maps that are too wide.
std::unique_ptr<Lanes> pixel_lanes(std::shared_ptr<const Stages> stages, const Lanes::Options& options);

}  // namespace coppice::sparse
