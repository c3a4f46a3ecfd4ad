#include "unrect/partition/internal/wall_forms.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "unrect/base/internal/at.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/internal/prepared.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

}  // namespace

WallForms::WallForms(const Refinement& refinement)
    : p_(*refinement.prepared_), k_(p_.domain.dimension()), exact_(p_.stages, p_.domain) {
  for (const int s : p_.stages.of_layer) {
    const Piecewise& f = *p_.stage(s).piecewise();
    for (Index unit = 0; unit < p_.stage(s).size; ++unit) {
      for (Index b = 0; b < f.breaks.cols(); ++b) walls_.push_back({s, unit, -1, f.breaks(f.row_of(unit), b), b, unit});
    }
  }
  breaks_ = walls_.size();
  for (Index r = 0; r < p_.domain.constraints.size(); ++r) walls_.push_back({-1, 2 * k_ + r, -1, 0, 0, 0});
  for (const Hyperplane& wall : walls_) doubts_.push_back(doubt_of(wall));
  forms_.resize(static_cast<Index>(walls_.size()), k_ + 1);
}

void WallForms::look_at(RegionView& region) {
  region_ = &region;
  pieces_ = region.pieces();
  for (Index i = 0; i < forms_.rows(); ++i) forms_.row(i) = region.form_of(walls_[at(i)]);
}

Doubt WallForms::doubt_of(const Hyperplane& wall) const {
  if (wall.stage < 0) return {p_.constraint_error(wall.row - 2 * k_), 0};
  const StageFilter& filter = p_.filter(wall.stage);
  return {filter.error[wall.row] + threshold_rounding(wall.threshold, k_), filter.gradient_error[wall.row]};
}

bool WallForms::is_above(const Hyperplane& wall) const {
  if (wall.stage < 0) return false;
  return pieces_[at(p_.stages.first_unit[at(p_.stage(wall.stage).layer)] + wall.unit)] > wall.piece;
}

// False: no multiple of f is g.
bool WallForms::may_coincide(const double* f, const Doubt& f_doubt, const double* g, const Doubt& g_doubt) const {
  Index p = 0;
  for (Index d = 1; d < k_; ++d) p = std::abs(f[d]) > std::abs(f[p]) ? d : p;
  // The constant is the value where t is 0: off by no more than a value on the domain is, and what the gradient adds on
  // the way from there.
  const double reach = p_.reach.maxCoeff();
  for (Index d = 0; d <= k_; ++d) {
    const double one = g[d] * f[p];
    const double other = g[p] * f[d];
    const double f_error = d < k_ ? f_doubt.gradient : f_doubt.at(reach);
    const double g_error = d < k_ ? g_doubt.gradient : g_doubt.at(reach);
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
  const Vector form = form_of(wall);
  const Doubt doubt = doubt_of(wall);
  const WallSide sides[] = {{wall, 1}, {wall, -1}};
  for (std::size_t i = 0; i < breaks_; ++i) {
    const Hyperplane& other = walls_[i];
    if (other == wall || !may_coincide(form.data(), doubt, this->form(i), doubts_[i])) continue;
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
