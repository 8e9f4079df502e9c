#include "graph/rounding.h"

#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>

namespace coppice {

double rounding(int64_t terms, at::ScalarType type) {
  const bool is_double = type == at::kDouble;
  // In float64 many more terms cost nothing, and cover every sum over nodes.
  const double unit = is_double ? 0x1p-53 : 0x1p-24, spare = is_double ? 4096 : 0;
  const double sum = (static_cast<double>(terms) + spare) * unit;
  // The magnitudes that it multiplies are rounded themselves, by no more than this again.
  return sum < 0.008 ? 1.01 * sum / (1 - sum) : std::numeric_limits<double>::infinity();
}

double underflow(int64_t products, at::ScalarType type) {
  const double least =
      type == at::kDouble ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
  // The product, the sum that it is added to, and what was flushed before.
  return 4 * static_cast<double>(products) * least;
}

double least_size(at::ScalarType type) { return type == at::kDouble ? 0x1p-510 : 0x1p-62; }

double cancellation(at::ScalarType type) { return type == at::kDouble ? 1 : 0x1p-27; }

void require_strict_arithmetic() {
  for (const char* name : {"ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"}) {
    const char* mode = std::getenv(name);
    if (mode && *mode && std::string(mode) != "STRICT" && std::string(mode) != "strict")
      throw std::invalid_argument(std::string(name) + "=" + mode +
                                  " lets libtorch round more than proofs allow for; unset it");
  }
}

}  // namespace coppice
