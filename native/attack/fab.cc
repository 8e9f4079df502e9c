#include "attack/fab.h"

#include <ATen/Parallel.h>

#include "attack/boundary.h"
#include "attack/box.h"
#include "attack/standing.h"
#include "device/device.h"
#include "device/vectorised.h"
#include "graph/classes.h"

namespace coppice {
namespace {

/// β: an image of another class is taken back so far towards the original before the walk goes on.
constexpr double kBackwards = 0.9;

// Templates have no clones for instruction sets.
COPPICE_VECTORISED void step_row(const BoundaryStep<float>& s, int64_t row) { boundary_row(s, row); }
COPPICE_VECTORISED void step_row(const BoundaryStep<double>& s, int64_t row) { boundary_row(s, row); }

template <class T>
void step_rows(at::Tensor& x, const at::Tensor& images, const at::Tensor& gradient, const at::Tensor& leads) {
  const BoundaryStep<T> s{
      x.data_ptr<T>(), images.data_ptr<T>(), gradient.data_ptr<T>(), leads.data_ptr<T>(), x.size(0),
      x.size(1)};
  const auto cpu = [&] {
    at::parallel_for(0, s.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) step_row(s, row);
    });
  };
  on_device(x.device(), cpu, [&](void* stream) { COPPICE_CUDA_ONLY(boundary_step_cuda(s, stream)); });
}

/// One step of every row of x, in place (boundary.h).
void step_to_boundary(at::Tensor& x, const at::Tensor& images, const at::Tensor& gradient,
                      const at::Tensor& leads) {
  if (x.scalar_type() == at::kDouble)
    step_rows<double>(x, images, gradient, leads);
  else
    step_rows<float>(x, images, gradient, leads);
}

}  // namespace

at::Tensor Fab::search(const Target& target, uint32_t attempt) const {
  const at::NoGradGuard no_grad;
  Standing standing(target);
  at::Tensor aims = target.next_likeliest(attempt / restarts);
  // The first attempt starts from the image itself, others from within half of its box.
  const Start from = attempt % restarts == 0 ? Start::kNone : Start::kUniform;
  at::Tensor x = rows_of(start_in_box(target.batch, from, epsilon / 2, target.key, attempt));
  for (int64_t step = 0; step < steps && standing.count() > 0; ++step) {
    target.interrupt.between_batches();
    const Target::Slope here = target.slope(
        standing.images(x), [&](const at::Tensor& logits) { return leads(logits, standing.labels, aims); });
    step_to_boundary(x, standing.originals, rows_of(here.gradient), here.losses.to(x.scalar_type()));
    at::Tensor crossed = classes_of(target.logits(standing.images(x))).ne(standing.labels);
    const at::Tensor away =
        at::linalg_vector_norm(x - standing.originals, std::numeric_limits<double>::infinity(), {1});
    standing.drop(crossed.logical_and(away.le(epsilon)), x, {&aims, &x, &crossed});
    // Back from behind the boundary.
    const at::Tensor share = at::where(crossed, kBackwards, 1.0).to(x.scalar_type()).unsqueeze(1);
    x = at::lerp(standing.originals, x, share);
  }
  return standing.found(standing.originals);
}

}  // namespace coppice
