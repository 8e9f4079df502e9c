// Labelled images that live on the device as bytes, and batches made of them there.
#pragma once
#include <ATen/ATen.h>

#include <optional>

namespace coppice {

struct Dataset {
  at::Tensor images;  ///< uint8 [n, channels, height, width]
  at::Tensor labels;  ///< int64 [n]
  int64_t classes;
};

/// Random crop after zero padding by `pad` pixels, and a horizontal flip with probability ½.
struct Augmentation {
  int64_t pad = 0;
  bool flip = false;
};

/// What makes the random numbers of a pass: with a sample's index they give its augmentation and its random
/// start.
struct RandomKey {
  uint64_t seed = 0;
  uint32_t epoch = 0;
};

struct Batch {
  at::Tensor indices;  ///< int64 [n], on the device: each sample's place in the data set
  at::Tensor images;   ///< [n, channels, height, width], pixels in [0,1], channels last
  at::Tensor labels;   ///< int64 [n]
};

/// Gathers the samples at `indices` (int64, on the data set's device), crops and flips them, and scales to
/// [0,1].
Batch make_batch(const Dataset& dataset, const at::Tensor& indices,
                 const std::optional<Augmentation>& augmentation, RandomKey key, at::ScalarType type);

}  // namespace coppice
