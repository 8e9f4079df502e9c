// The least and greatest numbers that the readers of requests take. JavaScript gets the same table
// (addon/limits.cc), so that what would be refused here is refused when an option or a recipe is read.
#pragma once
#include <cstdint>

namespace coppice::limits {

inline constexpr int64_t kBatchSize = 1 << 24;
inline constexpr int64_t kThreads = 1024;
inline constexpr int64_t kPad = 1024;  ///< pixels around an image before a random crop
inline constexpr int64_t kAttackSteps = 1'000'000;
inline constexpr int64_t kRestarts = 100'000;
inline constexpr int64_t kBoundedImages = 1'000'000;  ///< of a batch, by an objective on bounds
inline constexpr int64_t kIterations = 1'000'000;     ///< of optimised bounds
inline constexpr double kLearningRate = 1e6;
inline constexpr double kLossWeight = 1e6;  ///< TRADES' β among them
inline constexpr double kWeightDecay = 1e3;
inline constexpr double kBeta = 0.9999999;  ///< Adam's β₁ and β₂
inline constexpr double kAdamEpsilon[] = {1e-30, 1};
inline constexpr int64_t kSize = 1 << 24;               ///< channels, features, kernels, strides, padding
inline constexpr int64_t kElements = int64_t{1} << 33;  ///< of one tensor, and of all parameters
inline constexpr double kNormalisation = 1e30;          ///< means and deviations of pixels
inline constexpr double kBatchNormEpsilon[] = {1e-12, 1};
inline constexpr double kDeviation = 1e3;       ///< of initial weights
inline constexpr int64_t kImageSide = 1 << 14;  ///< channels, height and width of a data set's images
inline constexpr int64_t kClasses = 256;        ///< of a data set
inline constexpr int64_t kEngineBatch = 1 << 16;
inline constexpr int64_t kMoreDevices = 255;  ///< that share batches with a network's own
inline constexpr int64_t kRuns = 1 << 20;     ///< of an inference engine that is timed

}  // namespace coppice::limits
