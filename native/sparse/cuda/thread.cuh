// A CUDA thread as the kernels' bodies see it. emulator.h has the same for the CPU.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace coppice::sparse::cuda {

struct DeviceThread {
  char* memory;  ///< shared by the block

  __device__ int thread() const { return static_cast<int>(threadIdx.x); }
  __device__ int block_x() const { return static_cast<int>(blockIdx.x); }
  __device__ int block_y() const { return static_cast<int>(blockIdx.y); }
  __device__ int block_z() const { return static_cast<int>(blockIdx.z); }
  __device__ int blocks_x() const { return static_cast<int>(gridDim.x); }
  __device__ char* shared() const { return memory; }
  __device__ void sync() const { __syncthreads(); }

  /// 16 bytes from global to shared memory, there after `wait`.
  __device__ void copy_async(char* to, const void* from) const {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address(to)), "l"(from) : "memory");
  }
  /// Ends a group of copies.
  __device__ void commit() const { asm volatile("cp.async.commit_group;" ::: "memory"); }
  /// Waits for all but the last kLeft groups.
  template <int kLeft>
  __device__ void wait() const {
    asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
  }

  /// Four 8 × 8 matrices of 16-bit numbers, transposed; lane l names row l % 8 of matrix l / 8.
  __device__ void load_transposed(uint32_t (&to)[4], const char* row) const {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address(row))
                 : "memory");
  }
  /// sum += a · b in bf16, 16 × 8 × 16.
  __device__ void multiply_add(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) const {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }

 private:
  __device__ static uint32_t address(const char* shared) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  }
};

}  // namespace coppice::sparse::cuda
