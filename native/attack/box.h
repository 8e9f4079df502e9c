// Moves inside the L∞ box around each image, clipped to [0,1].
#pragma once
#include <ATen/ATen.h>

#include <utility>

#include "attack/ascent.h"
#include "attack/momentum.h"
#include "data/dataset.h"

namespace coppice {

inline constexpr std::pair<const char*, Start> kStarts[] = {
    {"uniform", Start::kUniform}, {"gaussian", Start::kGaussian}, {"none", Start::kNone}};

/// The images moved by a random start, clipped to [0,1]. ε, as below, in [0,1] pixels.
at::Tensor start_in_box(const Batch& batch, Start start, double epsilon, RandomKey key, uint32_t attempt);

/// One step of every pixel of `x` along the sign of `direction`, projected onto the box, in place. All
/// tensors channels last.
void step_in_box(at::Tensor& x, const at::Tensor& images, const at::Tensor& direction, double step_size,
                 double epsilon);

/// One step of APGD (momentum.h), in place. All tensors are rows, but `steps` [n].
void momentum_step_in_box(at::Tensor& x, at::Tensor& previous, const at::Tensor& images,
                          const at::Tensor& gradient, const at::Tensor& steps, double epsilon,
                          double momentum);

}  // namespace coppice
