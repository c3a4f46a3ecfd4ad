// Whole images from few measurements, without training.
#pragma once

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
#include "unrect/signal/image_threshold.hpp"
#include "unrect/signal/operator.hpp"
#include "unrect/signal/sparse.hpp"

namespace unrect {

/// An image x ∈ R^{h×w} with A x ≈ y.
struct RecoveryResult {
  SolverStatus status = SolverStatus::kIterationLimit;
  Matrix image;
  double residual = 0;  // ‖A x − y‖₂
  int iterations = 0;
};

/// Numbers are for images in [0, 1] and y without noise; more noise wants a larger last λ (threshold).
struct TvOptions {
  double first_lambda = 0.1;
  double last_lambda = 3e-4;
  int iterations = 100;
  int inner_iterations = 5;
  double tolerance = 0;
  double step = 0;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.first_lambda, {"first_lambda", "λ falls geometrically from here …", above(0)});
    field(o.last_lambda, {"last_lambda", "… to here, over the first 70 % of the iterations", above(0)});
    field(o.iterations, {"iterations", "proximal steps", at_least(1)});
    field(o.inner_iterations, {"inner_iterations", "on the dual of each of them", at_least(1)});
    field(o.tolerance, {"tolerance", "also stop, λ at its last, once ‖change‖ ≤ tolerance ‖x‖", at_least(0)});
    field(o.step, {"step", "at most 1 / ‖A‖²; 0: that, estimated", at_least(0)});
  }
};

/// min ½‖A x − y‖² + λ TV(x) by FISTA with restarts (TvDenoiser is its proximal map, with the dual kept from step to
/// step). kConverged if the tolerance was met. A takes images as one row, block_sampling for one.
/// @throws Error kInvalidArgument for sizes and options out of range; so does the other.
RecoveryResult recover_tv(const LinearOperator& a, const VectorRef& y, Index height, Index width,
                          const TvOptions& options = {}, const Context& context = {});

struct ThresholdOptions {
  double first_threshold = 1;
  double last_threshold = 0.01;
  int iterations = 100;
  double step = 0;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.first_threshold, {"first_threshold", "of coefficients, falls geometrically from here …", above(0)});
    field(o.last_threshold, {"last_threshold", "… to here", above(0)});
    field(o.iterations, {"iterations", "thresholdings", at_least(2)});
    field(o.step, {"step", "at most 1 / ‖A‖²; 0: that, estimated", at_least(0)});
  }
};

/// Iterative hard thresholding x ← T(x + t Aᵀ(y − A x)) where T is patch_threshold (sparse in the DCT of every patch,
/// wherever it begins) or wavelet_threshold, with random numbers from context.seed. The threshold's schedule is the
/// method's own end: kConverged unless cancelled.
RecoveryResult recover_by_threshold(const LinearOperator& a, const VectorRef& y, Index height, Index width,
                                    ImageThreshold shrink, const ThresholdOptions& options = {},
                                    const Context& context = {});

}  // namespace unrect
