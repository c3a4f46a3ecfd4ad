// How wrong a stage's forms in double can be: what the sign filter compares with before it asks exact arithmetic.
#pragma once

#include <vector>

#include "unrect/forms/domain.hpp"
#include "unrect/forms/stages.hpp"

namespace unrect {

/// Bounds over the whole domain, one entry a unit of a stage (padded with zeros to whole lanes).
struct StageFilter {
  /// |computed z_i(t) − z_i(t)| for any t of the box, the evaluation included. A sum of n products is off by at most
  /// n u Σ|w||a| in any order, u = 2⁻⁵³; two bounds are carried through the stages and the smaller one kept: by
  /// components (|W| times |W| times …), and by 2-norms of the forms' columns (‖W‖₂ times ‖W‖₂ times …), which wins for
  /// deep networks.
  Vector error;
  /// Bounds Σ_d |computed ∂z_i/∂t_d − ∂z_i/∂t_d|. The computed gradient plus this, times a displacement of t, is what a
  /// displaced vertex adds to the error.
  Vector gradient_error;
};

/// One StageFilter a stage. @throws Error kInvalidArgument where a bound overflows.
std::vector<StageFilter> filters_of(const Stages& stages, const Domain& domain);

}  // namespace unrect
