#include "attack/attack.h"

namespace coppice {
namespace {

template <class Kind>
at::Tensor search_by(const Kind& kind, const Target& target, uint32_t attempt,
                     const std::optional<at::Tensor>& start) {
  typename Kind::State state = kind.start(target, attempt);
  if (start) state.images = start->clone();
  Tape tape(target.network);
  Target aimed = target;
  aimed.tape = &tape;
  if (!aimed.loss)
    aimed.loss = [&](const at::Tensor& logits) { return kind.loss(state, logits, target.batch.labels); };
  for (int64_t step = 0; step < kind.steps; ++step) {
    target.interrupt.check();
    kind.step(state, aimed, step);
  }
  return kind.found(state);
}

}  // namespace

Ascent scaled(const Ascent& attack, double factor) {
  return std::visit([&](const auto& kind) -> Ascent { return kind.scaled(factor); }, attack);
}

at::Tensor search(const Ascent& attack, const Target& target, uint32_t attempt,
                  const std::optional<at::Tensor>& start) {
  return std::visit([&](const auto& kind) { return search_by(kind, target, attempt, start); }, attack);
}

int64_t attempts(const Attack& attack, int64_t classes) {
  return std::visit([&](const auto& kind) { return kind.attempts(classes); }, attack);
}

at::Tensor search(const Attack& attack, const Target& target, uint32_t attempt,
                  const std::optional<at::Tensor>& start) {
  return std::visit(
      [&]<class Kind>(const Kind& kind) {
        if constexpr (std::is_constructible_v<Ascent, Kind>)
          return search_by(kind, target, attempt, start);
        else
          return kind.search(target, attempt);
      },
      attack);
}

}  // namespace coppice
