// Arguments that several jobs take, and tensors they give back.
#pragma once
#include "addon/handles.h"
#include "addon/job.h"
#include "addon/reader.h"
#include "data/dataset.h"
#include "graph/network.h"

namespace coppice {

/// Attaches an optional callback argument to a job.
void listen(const std::shared_ptr<Job>& job, const Reader& callback);
/// Tells the job's listener how many samples are done.
std::function<void(int64_t)> samples_done(Addon& addon, const std::shared_ptr<Job>& job);

/// Images [n, channels, height, width] from a flat typed array, on the CPU: the engine's thread moves them to
/// the device, since a copy waits for all work there.
at::Tensor read_images(const Reader& images, const Network& network);
Batch read_batch(const Reader& batch, const Network& network);

/// In the form that networks take: on the device, images channels last.
at::Tensor placed(const at::Tensor& images, at::Device device);
Batch placed(const Batch& batch, at::Device device);

at::Tensor flat_copy(const at::Tensor& tensor, at::ScalarType type);

}  // namespace coppice
