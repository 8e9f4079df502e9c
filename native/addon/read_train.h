// Requests to train, and for gradients.
#pragma once
#include "addon/reader.h"
#include "train/gradients.h"
#include "train/loop.h"

namespace coppice {

TrainPlan read_train_plan(const Reader& request, const Network& network, const Dataset& dataset);
GradientPlan read_gradient_plan(const Reader& request, const Network& network, const Dataset& dataset);

}  // namespace coppice
