#include "unrect/forms/internal/largest_margin.hpp"

#include <algorithm>
#include <cmath>

#include "unrect/base/internal/at.hpp"
#include "unrect/polytope/dense_lp.hpp"

namespace unrect::hull {
bool has_interior(std::vector<Row>& rows, const std::vector<std::pair<Rational, Rational>>& intervals) {
  const auto n = static_cast<Index>(intervals.size());
  const auto inside = [&](const std::vector<Rational>& point) {
    return std::ranges::all_of(rows, [&](const Row& row) {
      Rational value = -row.bound;
      for (const auto& [j, a] : row.terms) value += a * point[at(j)];
      return value < 0;
    });
  };
  std::vector<Rational> point;
  for (const auto& [low, high] : intervals) point.push_back((low + high) / 2);
  if (inside(point)) return true;

  // A ball as large as can be among the rows of several terms, in a box that is a little smaller; then among all
  // rows.
  for (const bool all : {false, true}) {
    std::vector<Index> of;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (all || rows[i].terms.size() > 1) of.push_back(static_cast<Index>(i));
    }
    const auto m = static_cast<Index>(of.size());
    Matrix normals = Matrix::Zero(m, n + 1);
    Vector offsets(m), lower(n + 1), upper(n + 1);
    for (Index j = 0; j < n; ++j) {
      const auto& [low, high] = intervals[at(j)];
      const Rational margin = all ? Rational(0) : Rational((high - low) / 1024);
      lower[j] = rounded_down(low + margin);
      upper[j] = rounded_up(high - margin);
    }
    lower[n] = -1;
    upper[n] = std::ldexp((upper - lower).head(n).maxCoeff(), -12);  // room is enough, the most of it is not needed
    for (Index i = 0; i < m; ++i) {
      const Row& row = rows[at(of[at(i)])];
      for (const auto& [j, a] : row.terms) normals(i, j) = a.get_d();
      offsets[i] = row.bound.get_d();
      normals(i, n) = normals.row(i).stableNorm();
      const double farthest = normals.row(i).head(n).cwiseAbs() * upper.head(n).cwiseMax(-lower.head(n));
      lower[n] = std::min(lower[n], 2 * (offsets[i] - farthest) / normals(i, n));
    }
    if (!normals.allFinite() || !offsets.allFinite() || !lower.allFinite() || !upper.allFinite()) return false;
    DenseLp lp(Halfspaces(std::move(normals), std::move(offsets)), Box(std::move(lower), std::move(upper)));
    const LpResult& result = lp.maximize(Vector::Unit(n + 1, n));
    for (Index j = 0; j < n; ++j) point[at(j)] = result.x[j];
    if (inside(point)) return true;
    if (!all) continue;
    std::ranges::stable_sort(of, [&](Index a, Index b) { return result.row_duals[a] > result.row_duals[b]; });
    std::vector<Row> sorted;
    for (const Index i : of) sorted.push_back(std::move(rows[at(i)]));
    rows = std::move(sorted);
  }
  return false;
}

LargestMargin::LargestMargin(const std::vector<Row>& rows, Index n)
    : rows_(rows), n_(at(n) + 1), members_(n_, kUnit), weights_(n_), point_(n_), w_(n_) {
  inverse_.resize(n_, std::vector<Rational>(n_));
  for (std::size_t k = 0; k < n_; ++k) inverse_[k][k] = 1;
  members_.back() = rows.size();  // r ≤ 1
  weights_.back() = 1;
  for (;;) {
    find_point();
    std::size_t row = 0;
    while (row < rows_.size() && holds(rows_[row])) ++row;
    if (row == rows_.size()) return;
    let_in(row);
  }
}

std::vector<std::size_t> LargestMargin::support() const {
  std::vector<std::size_t> rows;
  for (std::size_t k = 0; k < n_; ++k) {
    if (members_[k] < rows_.size() && sgn(weights_[k]) > 0) rows.push_back(members_[k]);
  }
  return rows;
}

void LargestMargin::find_point() {
  std::ranges::fill(point_, 0);
  for (std::size_t k = 0; k < n_; ++k) {
    if (members_[k] == kUnit) continue;
    const Rational& cost = members_[k] < rows_.size() ? rows_[members_[k]].bound : cap_;
    if (sgn(cost) == 0) continue;
    for (std::size_t j = 0; j < n_; ++j) {
      if (sgn(inverse_[k][j]) != 0) point_[j] += cost * inverse_[k][j];
    }
  }
}

bool LargestMargin::holds(const Row& row) const {
  Rational value = point_.back();
  for (const auto& [j, a] : row.terms) value += a * point_[at(j)];
  return value <= row.bound;
}

void LargestMargin::let_in(std::size_t row) {
  std::size_t slot = n_;
  Rational ratio;
  for (std::size_t k = 0; k < n_; ++k) {
    w_[k] = inverse_[k].back();
    for (const auto& [j, a] : rows_[row].terms) w_[k] += a * inverse_[k][at(j)];
    if (slot < n_ && members_[slot] == kUnit) continue;
    if (members_[k] == kUnit && sgn(w_[k]) != 0) slot = k;
    if (members_[k] == kUnit || sgn(w_[k]) <= 0) continue;
    const Rational here = weights_[k] / w_[k];
    if (slot == n_ || here < ratio || (here == ratio && members_[k] < members_[slot])) {
      slot = k;
      ratio = here;
    }
  }
  // There is a slot: r far below 0 satisfies all rows.
  const Rational step = weights_[slot] / w_[slot];
  for (Rational& x : inverse_[slot]) x /= w_[slot];
  for (std::size_t k = 0; k < n_; ++k) {
    if (k == slot || sgn(w_[k]) == 0) continue;
    weights_[k] -= step * w_[k];
    for (std::size_t j = 0; j < n_; ++j) {
      if (sgn(inverse_[slot][j]) != 0) inverse_[k][j] -= w_[k] * inverse_[slot][j];
    }
  }
  weights_[slot] = step;
  members_[slot] = row;
}

}  // namespace unrect::hull
