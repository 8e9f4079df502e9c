#include "data/dataset.h"

#include <ATen/Parallel.h>

#include "data/gather.h"
#include "device/device.h"

namespace coppice {
namespace {

template <class T>
void gather_cpu(const Gather<T>& g) {
  at::parallel_for(0, g.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const Placement place = placement(g, g.indices[n]);
      for (int64_t y = 0; y < g.height; ++y)
        for (int64_t x = 0; x < g.width; ++x) gather_pixel(g, place, n, y, x);
    }
  });
}

template <class T>
void gather(const Dataset& dataset, const at::Tensor& indices, const Augmentation& augmentation,
            RandomKey key, at::Tensor& out) {
  const auto& images = dataset.images;
  const Gather<T> g{images.data_ptr<uint8_t>(),
                    indices.data_ptr<int64_t>(),
                    out.data_ptr<T>(),
                    indices.size(0),
                    images.size(1),
                    images.size(2),
                    images.size(3),
                    augmentation.pad,
                    augmentation.flip,
                    key.seed,
                    key.epoch};
  on_device(
      images.device(), [&] { gather_cpu(g); },
      [&](void* stream) { COPPICE_CUDA_ONLY(gather_cuda(g, stream)); });
}

}  // namespace

Batch make_batch(const Dataset& dataset, const at::Tensor& indices,
                 const std::optional<Augmentation>& augmentation, RandomKey key, at::ScalarType type) {
  const auto& shape = dataset.images.sizes();
  at::Tensor images = at::empty({indices.size(0), shape[1], shape[2], shape[3]},
                                dataset.images.options().dtype(type), at::MemoryFormat::ChannelsLast);
  const Augmentation how = augmentation.value_or(Augmentation{});
  if (type == at::kDouble)
    gather<double>(dataset, indices, how, key, images);
  else
    gather<float>(dataset, indices, how, key, images);
  return {indices, images, dataset.labels.index_select(0, indices)};
}

}  // namespace coppice
