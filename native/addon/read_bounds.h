// Requests for bounds, and to verify.
#pragma once
#include "addon/reader.h"
#include "evaluation/verify.h"

namespace coppice {

BoxSettings read_box(const Reader& options);
BoundSettings read_bounds(const Reader& options, const Network& network, bool sound);
VerifyPlan read_verify_plan(const Reader& request, const Network& network, const Dataset& dataset);

}  // namespace coppice
