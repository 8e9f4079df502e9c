// How an analysis refuses what it has no rule for: by name, never by treating it as something else.
#pragma once
#include <stdexcept>
#include <string>

#include "graph/graph.h"

namespace coppice {

struct UnsupportedError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws UnsupportedError: "`analysis` cannot treat node 'conv1': `why`".
[[noreturn]] inline void unsupported(const std::string& analysis, const std::string& node,
                                     const std::string& why) {
  throw UnsupportedError(analysis + " cannot treat node '" + node + "': " + why);
}
/// The same for an operation that the analysis has no rule for.
[[noreturn]] inline void unsupported(const std::string& analysis, const Node& node) {
  unsupported(analysis, node.name, std::string("it has no rule for ") + name_of(node.operation));
}

}  // namespace coppice
