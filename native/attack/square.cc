#include "attack/square.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "attack/squares.h"
#include "attack/standing.h"
#include "device/device.h"
#include "graph/classes.h"

namespace coppice {
namespace {

/// The share of an image that a square covers is this, and is halved after so many queries (section 4.1 and
/// the supplement).
constexpr double kFirstShare = 0.8;
constexpr int64_t kHalvings[] = {10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000};

int64_t side_of(int64_t query, int64_t height, int64_t width) {
  double share = kFirstShare;
  for (const int64_t end : kHalvings)
    if (query > end) share /= 2;
  const double side = std::sqrt(share * static_cast<double>(height * width));
  return std::clamp<int64_t>(std::llround(side), 1, std::min(height, width));
}

struct Candidates {
  const Target& target;
  uint32_t attempt;
  double epsilon;
  Standing standing;
  at::Tensor best, candidate;

  template <class T, class Cpu, class Cuda>
  void with(const Cpu& cpu, [[maybe_unused]] const Cuda& cuda) {
    const auto& [channels, height, width] = target.network.graph.input;
    const Squares<T> s{standing.originals.data_ptr<T>(),
                       best.data_ptr<T>(),
                       candidate.data_ptr<T>(),
                       standing.samples.data_ptr<int64_t>(),
                       standing.count(),
                       height,
                       width,
                       channels,
                       static_cast<T>(epsilon),
                       target.key.seed ^ (uint64_t{attempt} << 40),
                       target.key.epoch};
    const auto rows = [&] {
      at::parallel_for(0, s.count, 16, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) cpu(s, row);
      });
    };
    on_device(best.device(), rows, [&](void* stream) { COPPICE_CUDA_ONLY(cuda(s, stream)); });
  }

  /// Calls cpu(s, row) for every row, or cuda(s, stream), in the type of the images.
  template <class Cpu, class Cuda>
  void each(const Cpu& cpu, const Cuda& cuda) {
    if (best.scalar_type() == at::kDouble)
      with<double>(cpu, cuda);
    else
      with<float>(cpu, cuda);
  }

  at::Tensor logits() const { return target.logits(standing.images(candidate)); }
};

}  // namespace

at::Tensor Square::search(const Target& target, uint32_t attempt) const {
  const at::NoGradGuard no_grad;
  const auto& [channels, height, width] = target.network.graph.input;
  Standing standing(target);
  const at::Tensor originals = standing.originals;
  Candidates all{
      target, attempt, epsilon, std::move(standing), at::empty_like(originals), at::empty_like(originals)};
  all.each([](const auto& s, int64_t row) { stripes_row(s, row); },
           []([[maybe_unused]] const auto& s, void* stream) { COPPICE_CUDA_ONLY(stripes_cuda(s, stream)); });
  at::Tensor logits = all.logits();
  at::Tensor least = margins(logits, all.standing.labels);
  all.standing.drop_broken(logits, all.candidate, {&least, &all.best, &all.candidate});
  for (int64_t query = 1; query <= queries && all.standing.count() > 0; ++query) {
    target.interrupt.between_batches();
    const int64_t side = side_of(query - 1, height, width);
    const auto number = static_cast<uint32_t>(query);
    all.each([&](const auto& s, int64_t row) { propose_row(s, row, number, side); },
             [&]([[maybe_unused]] const auto& s, void* stream) {
               COPPICE_CUDA_ONLY(propose_cuda(s, number, side, stream));
             });
    logits = all.logits();
    const at::Tensor margin = margins(logits, all.standing.labels);
    at::Tensor better = margin.lt(least);
    least = at::where(better, margin, least);
    all.standing.drop_broken(logits, all.candidate, {&least, &better, &all.best, &all.candidate});
    const bool* accepted = better.const_data_ptr<bool>();
    all.each([&](const auto& s, int64_t row) { settle_row(s, row, number, side, accepted[row]); },
             [&]([[maybe_unused]] const auto& s, void* stream) {
               COPPICE_CUDA_ONLY(settle_cuda(s, number, side, accepted, stream));
             });
  }
  return all.standing.found(all.best);
}

}  // namespace coppice
