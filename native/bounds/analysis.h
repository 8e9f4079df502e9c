// The forward half of bound propagation: node after node, ranges and the lines that follow from them.
#pragma once
#include <functional>

#include "bounds/bounds.h"

namespace coppice {

/// A network relaxed over a box by one method, as far as it was asked for.
class Analysis {
 public:
  Analysis(const BoundNetwork& network, const Range& box, const BoundSettings& settings,
           const Interrupt& interrupt);

  /// Ranges and lines of the first `count` nodes. Once for each analysis.
  void relax(int count);

  /// Bounds of linear functions of the logits, `coefficients` [rows, classes], over the box of image `sample`
  /// each. Differentiable.
  RowBounds bound_logits(const at::Tensor& coefficients, const at::Tensor& sample);

  /// Every value of `target`, whose node was relaxed, by the method's own pass.
  Range bound_node(int target);

  /// How many rows from `target` the memory holds at once; `recorded`: with what autograd keeps, and `extra`
  /// elements more for each. Throws std::invalid_argument where it does not hold one.
  int64_t rows_at_once(int target, bool neurons, bool recorded, int64_t extra = 0);

  /// Fraction of neurons before ReLUs that are neither always on nor always off.
  double unstable() const { return neurons_ == 0 ? 0 : crossing_.item<double>() / neurons_; }

  Relaxed relaxed;
  double macs = 0;

 private:
  void visit(int index);
  void choose_balls(int count);
  void visit_ball(int index);
  Ball through(int index);  ///< a convolution's or a linear node's output
  /// `growth`: what its radius needs, if it was no ball before.
  Ball ball_of(int input, Growth growth) const;
  void forget_read(int index);
  const Range& range_before(int input) const { return input == kImage ? relaxed.box : relaxed.ranges[input]; }
  Range range_of(int index);
  void refine(int index);
  void count_underflow(int index);
  RowBounds in_pieces(int target, const at::Tensor& places);
  /// Passes without gradients over pieces of so many rows, as many at once as there are threads.
  RowBounds side_by_side(int target, bool neurons, int64_t rows,
                         const std::function<RowBounds(int64_t begin, int64_t size)>& pass);
  RowBounds recorded(int target, const at::Tensor& places, const RowBounds& known);
  bool feeds_nonlinear(int index) const;
  bool is_passed(int index) const { return settings_.method.backward || last_[index]; }
  /// Whether a convolution or a linear node goes from ball to ball.
  bool takes_balls(int index) const { return !recorded_ && !is_passed(index); }
  bool exact(int input) const { return input == kImage || exact_[input]; }
  bool mixed(int input) const { return input != kImage && mixed_[input]; }

  const BoundSettings settings_;
  const std::vector<at::Tensor> sizes_;  ///< see BoundNetwork
  const Interrupt& interrupt_;
  const bool backward_inside_;  ///< whether a backward pass bounds what a ReLU reads
  const bool recorded_;         ///< whether gradients are recorded
  bool two_sided_;              ///< whether upper bounds need rows of their own
  /// Whether a node's interval bounds are exact, and whether each of its values mixes several pixels.
  std::vector<bool> exact_, mixed_;
  std::vector<bool> last_;  ///< whether nothing but affine nodes follows
  /// Plain interval bounds go from centre ± radius to centre ± radius where nobody asks for the ends between.
  std::vector<bool> as_ball_;
  std::vector<Growth> growth_;  ///< of a ball's radius: the most that its readers need
  std::vector<Ball> balls_;     ///< until they are read for the last time
  double neurons_ = 0;
  at::Tensor crossing_;  ///< double, on the device
};

}  // namespace coppice
