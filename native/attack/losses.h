// Losses that attacks maximise, a value for each image, from logits [n, classes].
#pragma once
#include <ATen/ATen.h>

namespace coppice {

at::Tensor cross_entropies(const at::Tensor& logits, const at::Tensor& labels);

/// The logit of `classes` less that of the label.
at::Tensor leads(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& classes);

/// How far the label's logit lies above all others; negative once another class wins.
at::Tensor margins(const at::Tensor& logits, const at::Tensor& labels);

/// Difference of logits ratio: -margin / (greatest logit - third greatest), which no scale of the logits
/// changes (Croce and Hein, 2020a, equation 6). With two classes undivided.
at::Tensor logit_ratios(const at::Tensor& logits, const at::Tensor& labels);

/// The targeted form: (logit of the target - the label's) / (greatest - mean of third and fourth greatest)
/// (equation 7). With three classes the third stands for the fourth, with two it is undivided.
at::Tensor targeted_logit_ratios(const at::Tensor& logits, const at::Tensor& labels,
                                 const at::Tensor& targets);

}  // namespace coppice
