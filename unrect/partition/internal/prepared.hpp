// What a refinement works out once, before any worker begins.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "unrect/forms/internal/filter.hpp"
#include "unrect/forms/internal/forms.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

struct Refinement::Prepared {
  Network network;
  Domain domain;
  Stages stages;
  std::vector<StageFilter> filters;  // one a stage
  std::vector<Forms> biases;         // of each stage: the sum, as forms without slope
  bool incidence = false;
  int layers = 0;  // that are refined by
  Vector reach;    // max |t_d| over the domain's box

  /// The stage of the last layer that is refined by; 0 if there is none.
  int last_stage() const { return layers == 0 ? 0 : stages.of_layer[static_cast<std::size_t>(layers) - 1]; }
  const Stage& stage(int s) const { return stages[s]; }
  const StageFilter& filter(int s) const { return filters[static_cast<std::size_t>(s)]; }
  /// The size of numbers over the domain, that bounds of roundings are relative to: 1 + Σ_d max |t_d|.
  double size() const { return 1 + reach.sum(); }
  /// How wrong a constraint's value can be anywhere on the domain. Its numbers have no error but the evaluation's: none
  /// goes through more than k + 1 operations, which lose (k + 1) u of the sum of their sizes, u = ε/2; four times that
  /// and more is charged.
  double constraint_error(Index r) const {
    double size = std::abs(domain.constraints.offsets[r]);
    for (Index d = 0; d < domain.dimension(); ++d) size += std::abs(domain.constraints.normals(r, d)) * reach[d];
    return 2 * static_cast<double>(domain.dimension() + 3) * std::numeric_limits<double>::epsilon() * size;
  }
};

class Worker::Implementation {
 public:
  virtual ~Implementation() = default;
  virtual WorkResult run(const WorkUnit& unit, std::uint64_t budget, const RegionVisitor& visitor,
                         const std::function<bool()>& keep_going) = 0;
  virtual void filter_by(CellFilter* filter) = 0;
};

}  // namespace unrect
