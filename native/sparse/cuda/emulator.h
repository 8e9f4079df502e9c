// CUDA blocks imitated on one thread of the CPU, so that kernels are checked where no GPU is: every thread of
// a block is a fiber that runs the very body that nvcc compiles, and gives way at barriers and where lanes
// work together. Very slow.
//
// What a GPU leaves open is varied from block to block: threads run forwards or backwards, asynchronous
// copies happen at once or not before they are waited for, and shared memory starts as NaN. So a missing
// barrier or wait shows as wrong results.
#pragma once
#include <cstdint>
#include <functional>

namespace coppice::sparse::cuda {

class Block;

/// The same as DeviceThread (thread.cuh).
class EmulatedThread {
 public:
  EmulatedThread(Block& block, int thread) : block_(block), thread_(thread) {}
  int thread() const { return thread_; }
  int block_x() const;
  int block_y() const;
  int block_z() const;
  int blocks_x() const;
  char* shared() const;
  void sync() const;
  void copy_async(char* to, const void* from) const;
  void commit() const;
  template <int kLeft>
  void wait() const {
    wait_for(kLeft);
  }
  void load_transposed(uint32_t (&to)[4], const char* row) const;
  void multiply_add(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) const;

 private:
  void wait_for(size_t left) const;
  Block& block_;
  const int thread_;
};

/// Runs `body` for every thread of every block; `shared` bytes of memory are a block's.
void emulate(int blocks_x, int blocks_y, int blocks_z, int threads, int shared,
             const std::function<void(EmulatedThread&)>& body);

}  // namespace coppice::sparse::cuda
