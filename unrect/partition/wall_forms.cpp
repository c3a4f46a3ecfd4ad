#include "unrect/partition/internal/wall_forms.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/internal/doubt.hpp"
#include "unrect/partition/internal/facet_keys.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

WallForms::WallForms(const Refinement& refinement)
    : refinement_(refinement),
      k_(refinement.domain().dimension()),
      filters_(filters_of(refinement.stages(), refinement.domain())),
      exact_(refinement.stages(), refinement.domain()),
      forms_(at(refinement.stages().size())),
      form_(k_ + 1) {
  const Box& box = refinement.domain().box;
  reach_ = std::max(box.lower.cwiseAbs().maxCoeff(), box.upper.cwiseAbs().maxCoeff());
  for (Index r = 0; r < refinement.domain().constraints.size(); ++r)
    constraints_.push_back({-1, 2 * k_ + r, -1, 0, 0, 0});
  for (const int s : refinement.stages().of_layer) {
    const Piecewise& f = *refinement.stages()[s].piecewise();
    for (Index unit = 0; unit < refinement.stages()[s].size; ++unit) {
      for (Index b = 0; b < f.breaks.cols(); ++b)
        breaks_.push_back({s, unit, -1, f.breaks(f.row_of(unit), b), b, unit});
    }
  }
}

void WallForms::look_at(RegionView& region) {
  pieces_.assign(region.pieces().begin(), region.pieces().end());
  for (const int s : refinement_.stages().of_layer) forms_[at(s)] = region.forms(s);
}

const Vector& WallForms::form_of(const Hyperplane& wall) {
  if (wall.stage < 0) {
    const Halfspaces& constraints = refinement_.domain().constraints;
    form_.head(k_) = constraints.normals.row(wall.row - 2 * k_);
    form_[k_] = -constraints.offsets[wall.row - 2 * k_];
  } else {
    form_ = forms_[at(wall.stage)].row(wall.row);
    form_[k_] -= wall.threshold;
  }
  return form_;
}

// How wrong form_of(wall) is: its value on the domain, the sum of its gradient's entries, its constant.
WallForms::Doubt WallForms::doubt_of(const Hyperplane& wall) const {
  if (wall.stage < 0) {
    const Halfspaces& constraints = refinement_.domain().constraints;
    const double size = constraints.normals.row(wall.row - 2 * k_).cwiseAbs().sum() * reach_ +
                        std::abs(constraints.offsets[wall.row - 2 * k_]);
    return {2 * static_cast<double>(k_ + 3) * kEpsilon * size, 0, 0};
  }
  const StageFilter& filter = filters_[at(wall.stage)];
  const double value = filter.error[wall.row] + threshold_rounding(wall.threshold, k_);
  const double gradient = filter.gradient_error[wall.row];
  return {value, gradient, value + gradient * reach_};
}

bool WallForms::is_above(const Hyperplane& wall) const {
  if (wall.stage < 0) return false;
  const Stages& stages = refinement_.stages();
  return pieces_[at(stages.first_unit[at(stages[wall.stage].layer)] + wall.unit)] > wall.piece;
}

// False: no multiple of f is g.
bool WallForms::may_coincide(const Vector& f, const Doubt& f_doubt, const Vector& g, const Doubt& g_doubt) const {
  Index p = 0;
  f.head(k_).cwiseAbs().maxCoeff(&p);
  for (Index d = 0; d <= k_; ++d) {
    const double one = g[d] * f[p];
    const double other = g[p] * f[d];
    const double f_error = d < k_ ? f_doubt.gradient : f_doubt.constant;
    const double g_error = d < k_ ? g_doubt.gradient : g_doubt.constant;
    const double error = g_error * std::abs(f[p]) + (std::abs(g[d]) + g_error) * f_doubt.gradient +
                         g_doubt.gradient * std::abs(f[d]) + (std::abs(g[p]) + g_doubt.gradient) * f_error +
                         4 * kEpsilon * (std::abs(one) + std::abs(other));
    // Where products vanish they say nothing.
    if (std::abs(one - other) > kRoundedUp * error + std::numeric_limits<double>::min()) return false;
  }
  return true;
}

void WallForms::coinciding(const Hyperplane& wall, std::vector<Hyperplane>& out) {
  out.assign(1, wall);
  const Vector f = form_of(wall);
  const Doubt doubt = doubt_of(wall);
  const WallSide sides[] = {{wall, 1}, {wall, -1}};
  for (const Hyperplane& other : breaks_) {
    if (other == wall || !may_coincide(f, doubt, form_of(other), doubt_of(other))) continue;
    if (!exact_.positive_over(other, 1, sides, pieces_) && !exact_.positive_over(other, -1, sides, pieces_))
      out.push_back(other);
  }
}

Hash128 WallForms::key(const FacetKeys& keys, const Hash128& own, const Hyperplane& wall) {
  coinciding(wall, together_);
  indices_.resize(together_.size());
  std::iota(indices_.begin(), indices_.end(), 0);
  return keys.without(own, indices_, together_, pieces_);
}

}  // namespace unrect
