// Attacks: searches for images near the given ones that maximise a loss. One loop runs every kind.
#pragma once
#include <optional>
#include <variant>

#include "attack/pgd.h"
#include "attack/target.h"

namespace coppice {

/// A kind is a file of its own and a member here. It has a `name`, a number of `steps`, a `State` of which
/// one member is `images`, and these hooks:
/// - read(request): itself, every number within limits
/// - scaled(factor): the same with ε and steps so much smaller, for ε ramps
/// - attempts(): how many for each image
/// - start(target, attempt): the state that an attempt starts from
/// - loss(state, logits, labels): what it maximises unless the target has a loss; a value for each image
/// - step(state, target, number): moves the images, and projects them onto what is allowed (box.h)
/// - found(state): the images that it came to
using Attack = std::variant<Pgd>;

Attack scaled(const Attack& attack, double factor);

/// How many attempts the attack has for each image.
int64_t attempts(const Attack& attack);

/// The images that attempt number `attempt` comes to, for each image of the target's batch (channels last).
/// `start` replaces the images that the kind starts from. Throws Aborted between steps once interrupted.
at::Tensor search(const Attack& attack, const Target& target, uint32_t attempt,
                  const std::optional<at::Tensor>& start = std::nullopt);

}  // namespace coppice
