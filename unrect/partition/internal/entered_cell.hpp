// A cell as the refinement enters a stage: what is known of it before it is cut any further.
#pragma once

#include "unrect/forms/internal/forms.hpp"
#include "unrect/partition/internal/stage_forms.hpp"

namespace unrect {

/// Stages before `stage` have every unit's piece; of `stage` itself those that do not straddle the cell have theirs.
struct EnteredCell {
  int stage;
  const StageForms& forms;
  PointRows vertices;  // of the cell, each coordinate off by `delta` at most; none: all that is known is the domain
  double delta = 0;
};

}  // namespace unrect
