// Attacks: searches for images near the given ones that maximise a loss. One loop runs every kind.
#pragma once
#include <optional>
#include <variant>

#include "attack/apgd.h"
#include "attack/fab.h"
#include "attack/pgd.h"
#include "attack/square.h"
#include "attack/target.h"

namespace coppice {

/// Attacks that training can make: every image takes the same steps, and the host waits for nothing. A kind
/// is a file of its own and a member here. It has a `name`, a number of `steps`, a `State` of which one
/// member is `images`, and these hooks; one loop runs them all.
/// - read(request): itself, every number within limits
/// - scaled(factor): the same with ε and steps so much smaller, for ε ramps
/// - attempts(classes): how many for each image
/// - start(target, attempt): the state that an attempt starts from
/// - loss(state, logits, labels): what it maximises unless the target has a loss; a value for each image
/// - step(state, target, number): moves the images, and projects them onto what is allowed (box.h)
/// - found(state): the images that it came to
using Ascent = std::variant<Pgd>;

Ascent scaled(const Ascent& attack, double factor);

/// The images that attempt number `attempt` comes to, for each image of the target's batch (channels last).
/// `start` replaces the images that the kind starts from. Throws Aborted between steps once interrupted.
at::Tensor search(const Ascent& attack, const Target& target, uint32_t attempt,
                  const std::optional<at::Tensor>& start = std::nullopt);

/// Attacks that measure robustness. Those that are no ascents let go of an image once it is broken
/// (standing.h). They have a `name`, read(request) and attempts(classes) as above, and
/// - search(target, attempt): for each image of the target's batch, right as it is, what the attempt came to
using Attack = std::variant<Pgd, Apgd, Fab, Square>;

/// How many attempts the attack has for each image.
int64_t attempts(const Attack& attack, int64_t classes);

/// As above.
at::Tensor search(const Attack& attack, const Target& target, uint32_t attempt,
                  const std::optional<at::Tensor>& start);

}  // namespace coppice
