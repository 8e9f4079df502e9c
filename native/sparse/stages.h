// A folded network as the inference engine sees it: few stages, each a convolution (or none) with all that
// follows it element by element.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "graph/network.h"

namespace coppice::sparse {

/// Maps that a stage writes or reads: a vector is `channels` maps of one pixel.
struct Value {
  int64_t channels, height, width;
  int64_t border = 0;  ///< zeros around each map that some reader needs
  int64_t pixels() const { return height * width; }
};

/// Convolution, or a linear layer as one whose kernel is the whole map.
struct Product {
  at::Tensor weight;  ///< fp32 [outputs, inputs, kernel_height, kernel_width], contiguous, on the CPU
  int64_t kernel_height, kernel_width, stride, padding;
  int64_t outputs() const { return weight.size(0); }
  int64_t inputs() const { return weight.size(1); }
};

/// input · product + bias + residual (→ raw) · scale + shift, ReLU, pooling → output. What is absent is
/// skipped; pooling that a product's stage cannot do is a stage of its own.
struct Stage {
  std::string name;  ///< of its last node
  std::string node;  ///< that the product is of, if any
  int input = 0;
  std::optional<Product> product;
  std::vector<float>
      bias;  ///< per output, if there is a product, and zeros behind (kernels read whole groups)
  int residual = -1, raw = -1;
  std::vector<float> scale, shift;  ///< per channel, or empty
  bool relu = false;
  struct Pool {
    bool max;
    int64_t kernel, stride;
  };
  std::optional<Pool> pool;
  /// Only copies the values of `input` in another shape.
  bool reshape = false;
  int output = 0;
};

struct Stages {
  std::vector<Value> values;  ///< the first is the image
  std::vector<Stage> stages;  ///< in order; the last writes the logits
};

/// Of a network in fp32, on any device, whose batch norms were folded where they could be.
Stages make_stages(const Folded& folded);

/// Shape of a stage's output before pooling.
Value unpooled(const Stages& stages, const Stage& stage);

}  // namespace coppice::sparse
