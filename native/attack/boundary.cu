// FAB's step on CUDA: one thread per image, whose sums are those of the CPU.
#include "attack/boundary.h"
#include "device/launch.cuh"

namespace coppice {
namespace {

template <class T>
struct RowBody {
  BoundaryStep<T> s;
  __device__ void operator()(int64_t row) const { boundary_row(s, row); }
};

}  // namespace

void boundary_step_cuda(const BoundaryStep<float>& s, void* stream) {
  for_each(s.count, stream, RowBody<float>{s});
}
void boundary_step_cuda(const BoundaryStep<double>& s, void* stream) {
  for_each(s.count, stream, RowBody<double>{s});
}

}  // namespace coppice
