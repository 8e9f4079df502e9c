#include "sparse/cuda/emulator.h"

#include <ucontext.h>

#include <cstring>
#include <deque>
#include <memory>
#include <vector>

namespace coppice::sparse::cuda {
namespace {

constexpr size_t kStack = 64 * 1024;
constexpr int kWarp = 32;

float bf16(uint16_t bits) {
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

}  // namespace

/// One block at a time: its fibers, its memory, and what its threads wait for.
class Block {
 public:
  Block(int threads, int shared, const std::function<void(EmulatedThread&)>& body)
      : body_(body), shared_(shared / 16 + 1), fibers_(threads), warps_((threads + kWarp - 1) / kWarp) {
    for (Fiber& fiber : fibers_) fiber.stack = std::make_unique<char[]>(kStack);
  }

  struct Position {
    int x, y, z;
  };
  void run(int blocks_x, Position at, int64_t index) {
    blocks = blocks_x, position = at;
    eager_ = index % 2 == 0;
    std::memset(shared_.data(), 0xff, shared_.size() * sizeof(shared_[0]));
    const int count = static_cast<int>(fibers_.size());
    for (int i = 0; i < count; ++i) start(i);
    for (int left = count; left > 0;) {
      for (int i = 0; i < count; ++i) {
        running_ = index / 2 % 2 == 0 ? i : count - 1 - i;
        Fiber& fiber = fibers_[running_];
        if (fiber.done) continue;
        swapcontext(&scheduler_, &fiber.context);
        if (fiber.done) --left;
      }
    }
  }

  /// Waits until `count` threads have come to the same gate.
  struct Gate {
    int arrived = 0;
    unsigned passed = 0;
  };
  void meet(Gate& gate, int count) {
    const unsigned before = gate.passed;
    if (++gate.arrived == count) {
      gate.arrived = 0;
      ++gate.passed;
    }
    while (gate.passed == before) swapcontext(&fibers_[running_].context, &scheduler_);
  }
  void meet_all() { meet(all_, static_cast<int>(fibers_.size())); }

  /// What a lane shows to the others of its warp.
  struct Shown {
    const char* row;
    uint32_t a[4], b[2];
  };
  /// Shows it and returns what all 32 lanes have shown. Two sets take turns: nobody is more than one round
  /// ahead.
  const Shown* exchange(int thread, const Shown& mine) {
    Warp& warp = warps_[thread / kWarp];
    const unsigned round = warp.gate.passed;
    Shown* const shown = warp.shown[round % 2];
    shown[thread % kWarp] = mine;
    meet(warp.gate, kWarp);
    return shown;
  }

  void copy(int thread, char* to, const void* from) {
    if (eager_)
      std::memcpy(to, from, 16);
    else
      fibers_[thread].open.push_back({to, from});
  }
  void commit(int thread) {
    Fiber& fiber = fibers_[thread];
    fiber.groups.push_back(std::move(fiber.open));
    fiber.open.clear();
  }
  void wait(int thread, size_t left) {
    auto& groups = fibers_[thread].groups;
    for (; groups.size() > left; groups.pop_front())
      for (const auto& [to, from] : groups.front()) std::memcpy(to, from, 16);
  }

  char* shared() { return reinterpret_cast<char*>(shared_.data()); }

  int blocks = 0;
  Position position{};

 private:
  struct alignas(16) Line {
    char bytes[16];
  };
  using Copies = std::vector<std::pair<char*, const void*>>;
  struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool done = false;
    Copies open;
    std::deque<Copies> groups;
  };
  struct Warp {
    Gate gate;
    Shown shown[2][kWarp];
  };

  void start(int index) {
    Fiber& fiber = fibers_[index];
    fiber.done = false;
    fiber.open.clear();
    fiber.groups.clear();
    getcontext(&fiber.context);
    fiber.context.uc_stack = {fiber.stack.get(), 0, kStack};
    fiber.context.uc_link = &scheduler_;
    // makecontext passes ints only.
    const auto self = reinterpret_cast<uintptr_t>(this);
    makecontext(&fiber.context, reinterpret_cast<void (*)()>(&Block::enter), 3, static_cast<uint32_t>(self),
                static_cast<uint32_t>(self >> 32), index);
  }
  static void enter(uint32_t low, uint32_t high, int index) {
    auto* const block = reinterpret_cast<Block*>(static_cast<uintptr_t>(high) << 32 | low);
    EmulatedThread thread(*block, index);
    block->body_(thread);
    block->fibers_[index].done = true;
  }

  const std::function<void(EmulatedThread&)>& body_;
  std::vector<Line> shared_;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  ucontext_t scheduler_;
  Gate all_;
  int running_ = 0;
  bool eager_ = true;
};

int EmulatedThread::block_x() const { return block_.position.x; }
int EmulatedThread::block_y() const { return block_.position.y; }
int EmulatedThread::block_z() const { return block_.position.z; }
int EmulatedThread::blocks_x() const { return block_.blocks; }
char* EmulatedThread::shared() const { return block_.shared(); }
void EmulatedThread::sync() const { block_.meet_all(); }
void EmulatedThread::copy_async(char* to, const void* from) const { block_.copy(thread_, to, from); }
void EmulatedThread::commit() const { block_.commit(thread_); }
void EmulatedThread::wait_for(size_t left) const { block_.wait(thread_, left); }

/// PTX ISA, ldmatrix: without .trans lane l gets numbers 2(l mod 4) and the next of row l / 4 of each matrix;
/// with it rows and columns change places.
void EmulatedThread::load_transposed(uint32_t (&to)[4], const char* row) const {
  const Block::Shown* shown = block_.exchange(thread_, {row, {}, {}});
  const int lane = thread_ % kWarp;
  for (int matrix = 0; matrix < 4; ++matrix) {
    uint16_t pair[2];
    for (int i = 0; i < 2; ++i)
      std::memcpy(&pair[i], shown[matrix * 8 + lane % 4 * 2 + i].row + lane / 4 * 2, 2);
    to[matrix] = pair[0] | static_cast<uint32_t>(pair[1]) << 16;
  }
}

/// PTX ISA, mma.m16n8k16 with .bf16: A, B and C are first put together from what the lanes hold.
void EmulatedThread::multiply_add(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) const {
  const Block::Shown* shown = block_.exchange(thread_, {nullptr, {a[0], a[1], a[2], a[3]}, {b0, b1}});
  float left[16][16], right[16][8];
  for (int lane = 0; lane < kWarp; ++lane) {
    const int group = lane >> 2, in_group = lane % 4;
    for (int i = 0; i < 8; ++i) {
      const int row = i < 2 || (4 <= i && i < 6) ? group : group + 8;
      const int column = in_group * 2 + (i & 1) + (i < 4 ? 0 : 8);
      left[row][column] = bf16(static_cast<uint16_t>(shown[lane].a[i / 2] >> i % 2 * 16));
    }
    for (int i = 0; i < 4; ++i) {
      const int row = in_group * 2 + (i & 1) + (i < 2 ? 0 : 8);
      right[row][group] = bf16(static_cast<uint16_t>(shown[lane].b[i / 2] >> i % 2 * 16));
    }
  }
  const int group = thread_ % kWarp >> 2, in_group = thread_ % 4;
  for (int i = 0; i < 4; ++i) {
    const int row = i < 2 ? group : group + 8, column = in_group * 2 + (i & 1);
    for (int k = 0; k < 16; ++k) sum[i] += left[row][k] * right[k][column];
  }
}

void emulate(int blocks_x, int blocks_y, int blocks_z, int threads, int shared,
             const std::function<void(EmulatedThread&)>& body) {
  Block block(threads, shared, body);
  int64_t index = 0;
  for (int z = 0; z < blocks_z; ++z)
    for (int y = 0; y < blocks_y; ++y)
      for (int x = 0; x < blocks_x; ++x) block.run(blocks_x, {x, y, z}, index++);
}

}  // namespace coppice::sparse::cuda
