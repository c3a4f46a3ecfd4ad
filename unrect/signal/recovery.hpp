// Whole images from few measurements, without training.
#pragma once

#include "unrect/base/context.hpp"
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
  double first_lambda = 0.1;  // λ falls geometrically from here …
  double last_lambda = 3e-4;  // … to here over the first 70 % of the iterations; both > 0
  int iterations = 100;       // ≥ 1
  int inner_iterations = 5;   // on the dual of each proximal step, ≥ 1
  double tolerance = 0;       // also stop, λ at its last, once ‖change‖ ≤ tolerance ‖x‖
  double step = 0;            // 0: 1 / ‖A‖², estimated; else 0 < step ≤ 1 / ‖A‖²
};

/// min ½‖A x − y‖² + λ TV(x) by FISTA with restarts (TvDenoiser is its proximal map, with the dual kept from step to
/// step). kConverged if the tolerance was met. A takes images as one row, block_sampling for one.
/// @throws Error kInvalidArgument for sizes and options out of range; so does the other.
RecoveryResult recover_tv(const LinearOperator& a, const VectorRef& y, Index height, Index width,
                          const TvOptions& options = {}, const Context& context = {});

struct ThresholdOptions {
  double first_threshold = 1;    // of coefficients; falls geometrically …
  double last_threshold = 0.01;  // … to here; both > 0
  int iterations = 100;          // ≥ 2
  double step = 0;               // as above
};

/// Iterative hard thresholding x ← T(x + t Aᵀ(y − A x)) where T is patch_threshold (sparse in the DCT of every patch,
/// wherever it begins) or wavelet_threshold, with random numbers from context.seed. The threshold's schedule is the
/// method's own end: kConverged unless cancelled.
RecoveryResult recover_by_threshold(const LinearOperator& a, const VectorRef& y, Index height, Index width,
                                    ImageThreshold shrink, const ThresholdOptions& options = {},
                                    const Context& context = {});

}  // namespace unrect
