// Where the tensor cores' m16n8k16 product (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point
// type") and its loads expect numbers. Used by packing on the host and by kernels.
//
// A step of the kernel takes kDepth columns. Its weights lie as [k16][m16][lane][8]: the eight numbers of a
// lane's A fragment side by side, read as 16 bytes. Its operands lie as kDepth rows of 16-byte chunks, eight
// images each; chunk c of row k is stored as c ^ (k mod 8), so that the eight rows that one load touches lie
// in different banks.
#pragma once
#include "sparse/cuda/work.h"

namespace coppice::sparse::cuda {

/// Row (output) and column (k) of the i-th of a lane's eight numbers of A.
COPPICE_INLINE int a_row(int lane, int i) { return lane / 4 + (i / 2 % 2) * 8; }
COPPICE_INLINE int a_column(int lane, int i) { return lane % 4 * 2 + i % 2 + i / 4 * 8; }

/// Row (output) and column (image) of the i-th of a lane's four sums.
COPPICE_INLINE int c_row(int lane, int i) { return lane / 4 + i / 2 * 8; }
COPPICE_INLINE int c_column(int lane, int i) { return lane % 4 * 2 + i % 2; }

/// Where the weight of `output` (of a group of `outputs`) and the `k`-th column lies, in numbers from the
/// group's start.
COPPICE_INLINE int64_t weight_place(int outputs, int64_t k, int output) {
  const int row = output % 16, column = static_cast<int>(k % 16);
  const int lane = row % 8 * 4 + column % 8 / 2;
  const int i = column % 2 + row / 8 * 2 + column / 8 * 4;
  return ((k / 16 * (outputs / 16) + output / 16) * 32 + lane) * 8 + i;
}

/// Where row k's chunk lies among `chunks` a row, in chunks of 16 bytes.
COPPICE_INLINE int chunk_place(int k, int chunk, int chunks) { return k * chunks + (chunk ^ (k % 8)); }

/// Which row and chunk (of two) a lane names to load the B fragments of 16 columns × 16 images at once,
/// transposed: the matrices are (k 0–7, images 0–7), (k 8–15, images 0–7), then the same for images 8–15.
COPPICE_INLINE int b_row(int lane) { return lane % 16; }
COPPICE_INLINE int b_chunk(int lane) { return lane / 16; }

}  // namespace coppice::sparse::cuda
