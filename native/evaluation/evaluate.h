// Benign and adversarial predictions, image by image.
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "attack/attack.h"
#include "data/dataset.h"
#include "device/interrupt.h"
#include "graph/network.h"

namespace coppice {

struct EvaluatePlan {
  std::vector<int64_t> indices;
  int64_t batch_size;
  at::ScalarType compute;
  std::vector<Attack> attacks;  ///< each on what those before left standing; none: no attack
  uint64_t seed;
  bool keep_images = false;
  /// Whether all of it is one pass of one batch.
  bool brief() const { return attacks.empty() && static_cast<int64_t>(indices.size()) <= batch_size; }
};

struct Predictions {
  std::vector<int32_t> classes;  ///< kNoClass where a logit is NaN or infinite
  std::vector<float> losses;     ///< cross-entropy
};

inline constexpr int32_t kNone = -1;

struct EvaluateResult {
  Predictions benign;
  std::optional<Predictions> adversarial;
  /// With attacks, which of them broke the image; kNone where none did, or it was wrong before.
  std::vector<int32_t> broken_by;
  /// Where they are kept, [n, channels, height, width] on the CPU; undefined where there are none.
  at::Tensor images, adversarial_images;
  double seconds = 0;
};

/// Attacks with batch norm folded, then classifies the stored images in evaluation mode with batch norm as it
/// is.
EvaluateResult evaluate(const Network& network, const Dataset& dataset, const EvaluatePlan& plan,
                        const Interrupt& interrupt, const std::function<void(int64_t samples)>& report);

/// Logits of images as they are stored.
using Classifier = std::function<at::Tensor(const at::Tensor& images)>;

struct EngineResult {
  Predictions engine;
  std::vector<int32_t> engine_adversarial;  ///< classes of the examples found against the network
  std::optional<EvaluateResult> network;    ///< where there is one
  /// Of the logits of images as they are, over all of them: |engine's - network's|^2 and |network's|^2.
  double difference = 0, norm = 0;
};

/// Classifies images by an engine on `device`, and beside it by the network that it was compiled from, if
/// that is given; only then can there be an attack, which is on the network.
EngineResult evaluate_engine(const Classifier& engine, at::Device device, const Network* network,
                             const Dataset& dataset, const EvaluatePlan& plan, const Interrupt& interrupt,
                             const std::function<void(int64_t samples)>& report);

struct AttackResult {
  at::Tensor images;     ///< the strongest adversarial example of each image
  at::Tensor losses;     ///< its cross-entropy
  at::Tensor classes;    ///< its predicted class
  at::Tensor broken_by;  ///< the attack that broke the image, or kNone
};

/// The strongest of the attacks' attempts for each sample: a misclassified one before any other, then the
/// highest loss; judged on the stored images. After one that is misclassified there are no more attempts.
/// Ascents that come first make their first attempt on every image; others make none on those that are wrong
/// as they are, whose example is the image itself. `start` replaces that of ascents.
AttackResult strongest(const Network& network, const Folded& attacked, const Batch& batch,
                       const std::vector<Attack>& attacks, RandomKey key,
                       const std::optional<at::Tensor>& start, const Interrupt& interrupt);

}  // namespace coppice
