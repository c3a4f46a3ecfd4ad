#include "unrect/partition/internal/walls.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

}  // namespace

Walls::Walls(const Refinement::Prepared& prepared, const StageForms& forms)
    : p_(prepared), forms_(forms), k_(prepared.domain.dimension()) {
  for (Index d = 0; d < 2 * k_; ++d) walls_.push_back({-1, d, -1, 0, 0, 0});
}

void Walls::drop_to(std::size_t size) {
  walls_.resize(size);
  forget_sides(size);
}

// Walls from this one on have other forms or sides than they had.
void Walls::forget_sides(std::size_t wall) { known_ = std::min(known_, wall); }

// A side of the box is one difference. A unit's form has the filter's error, which contains an evaluation, (k + 2) u of
// the sum of sizes. Taking a threshold off loses up to (k + 1) u of that, too; where the value is about 0, the
// threshold is not larger than the other sizes together, and the filter's error, taken twice, has room for it. The
// difference of two units' forms has twice both errors likewise.
Doubt Walls::form_of(const Hyperplane& wall, double* form) const {
  if (wall.stage < 0) {
    std::fill_n(form, k_, 0.0);
    if (wall.row < 2 * k_) {
      const Index d = wall.row / 2;
      form[d] = 1;
      form[k_] = -(wall.row % 2 == 0 ? p_.domain.box.lower[d] : p_.domain.box.upper[d]);
      return {2 * kEpsilon * std::abs(form[k_]), 0};
    }
    const Index r = wall.row - 2 * k_;
    for (Index d = 0; d < k_; ++d) form[d] = p_.domain.constraints.normals(r, d);
    form[k_] = -p_.domain.constraints.offsets[r];
    return {p_.constraint_error(r), 0};
  }
  const Forms& z = forms_.of(wall.stage);
  const StageFilter& filter = p_.filter(wall.stage);
  for (Index d = 0; d <= k_; ++d) form[d] = z.row(d)[wall.row] - (wall.other >= 0 ? z.row(d)[wall.other] : 0);
  form[k_] -= wall.threshold;
  Doubt doubt{2 * filter.error[wall.row] + 2 * kEpsilon * std::abs(wall.threshold),
              2 * filter.gradient_error[wall.row]};
  if (wall.other >= 0) {
    doubt.error += 2 * filter.error[wall.other];
    doubt.gradient += 2 * filter.gradient_error[wall.other];
  }
  return doubt;
}

int Walls::side_of(const Hyperplane& wall) const {
  if (wall.stage < 0) return wall.row < 2 * k_ && wall.row % 2 == 0 ? 1 : -1;
  if (wall.other >= 0) return 1;  // the slot that wins
  return forms_.piece(wall.stage, wall.unit) > wall.piece ? 1 : -1;
}

double Walls::clearance(const Vector& point, std::span<const int> around) {
  learn_sides();
  double least = std::numeric_limits<double>::infinity();
  for (const int w : around) {
    const double* side = sides_.data() + static_cast<Index>(w) * (k_ + 3);
    double value = side[k_];
    for (Index d = 0; d < k_; ++d) value += side[d] * point[d];
    const double room = value - side[k_ + 1];
    if (!(room > 0)) return -1;
    least = std::min(least, room / side[k_ + 2]);
  }
  return least;
}

void Walls::learn_sides() {
  const std::size_t width = static_cast<std::size_t>(k_) + 3;
  if (sides_.size() < walls_.size() * width) sides_.resize(walls_.size() * width);
  for (; known_ < walls_.size(); ++known_) {
    const Hyperplane& wall = walls_[known_];
    double* side = sides_.data() + known_ * width;
    const Doubt doubt = form_of(wall, side);
    double slope = doubt.gradient;
    for (Index d = 0; d < k_; ++d) slope += kRoundedUp * std::abs(side[d]);
    if (side_of(wall) < 0) {
      for (Index d = 0; d <= k_; ++d) side[d] = -side[d];
    }
    side[k_ + 1] = 2 * doubt.error;
    side[k_ + 2] = slope;
  }
}

}  // namespace unrect
