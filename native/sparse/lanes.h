// Programs whose vectors hold one channel (pair) of many images or of many pixels: what the two layouts
// share, which is threads, memory, packing and tuning.
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
    Instructions instructions = Instructions::kBest;
  };

  void run(const float* images, int64_t n, float* logits) override;
  std::vector<StageReport> profile(const float* images, int64_t n) override;
  int64_t bytes() const override;

  /// Packs every stage for the fastest of its choices, measured on `images` or known from `tuning`, to which
  /// new choices are added. Throws std::invalid_argument where the arithmetic cannot hold a weight.
  void tune(const float* images, int64_t n, Tuning& tuning, const Interrupt& interrupt);

 protected:
  Lanes(std::shared_ptr<const Stages> stages, const Options& options);

  /// What one thread does of a stage: part `index` of `count` of the blocks from `begin` to `end`.
  struct Part {
    int64_t begin, end;
    int64_t index, count;
    /// First and last + 1 of `items` that are this part's.
    std::pair<int64_t, int64_t> of(int64_t items) const {
      return {items * index / count, items * (index + 1) / count};
    }
  };

  virtual int64_t images_in_block() const = 0;
  virtual const char* layout() const = 0;
  /// Bytes of a value for one block.
  virtual int64_t value_bytes(int value) const = 0;
  /// Values alike in this may share memory, one after the other: their zeros lie at the same places.
  virtual std::string shape(int value) const = 0;
  virtual void load_images(const float* images, int64_t n, const Part& part) = 0;
  virtual void store_logits(float* logits, int64_t n, const Part& part) = 0;
  virtual void compute(int stage, const Part& part, char* sums) = 0;
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
    const Place& place = places_[index];
    return storage_[place.storage].data() +
           (place.per_thread ? block / blocks_of_thread_ : block) * place.bytes;
  }
  /// Bytes from one block of a value to the next.
  int64_t block_bytes(int value) const { return places_[value].bytes; }
  /// How many blocks of images a stage computes together, at most.
  int64_t together(int stage) const { return together_[stage]; }

  const std::shared_ptr<const Stages> shared_;
  const Stages& stages_;
  const Options options_;
  const KernelChoice kernels_;
  std::vector<Product> products_;  ///< by stage

 private:
  using Member = Team::Member;
  using Times = std::vector<double>;
  struct Place {
    int storage = 0;
    int64_t bytes = 0;        ///< of a block
    bool per_thread = false;  ///< one block for each thread, not one for each block
  };

  void choose_places();
  void start_round(int64_t n, const Member& member);
  /// The blocks of a thread that has blocks of its own; else a part of all blocks.
  std::vector<Part> parts_of(const Member& member) const;
  /// The part in as many blocks at a time as the stage takes together.
  template <class Body>
  void in_steps(const Part& part, int stage, Body body) const;
  void run_round(const float* images, int64_t n, float* logits, const Member& member, Times* times);
  void run_all(const float* images, int64_t n, float* logits, Times* times);
  void run_stages(int first, int last, const Part& part, const Member& member, Times* times);
  void run_stage(int stage, const Member& member);
  void use(int stage, const Choice& choice);
  double measure(int stage, const Choice& choice, double give_up);
  Choice best_choice(int stage, const Interrupt& interrupt);
  /// One of all choices, whatever it takes: checks see many of them so.
  Choice any_choice(int stage) const;
  std::string key(int stage) const;

  Team team_;
  int64_t blocks_of_thread_;  ///< 0 where threads share blocks
  int64_t active_ = 0;        ///< blocks that hold images in this round
  std::vector<int64_t> together_;
  std::vector<Place> places_;  ///< by value
  std::vector<Buffer> storage_;
  Buffer sums_;
};

/// A vector holds 16 images (32 in halves): for batches.
std::unique_ptr<Lanes> image_lanes(std::shared_ptr<const Stages> stages, const Lanes::Options& options);

/// A vector holds 16 pixels of one image, in fp32: for single images. Null for maps that are too wide.
std::unique_ptr<Lanes> pixel_lanes(std::shared_ptr<const Stages> stages, const Lanes::Options& options);

}  // namespace coppice::sparse
