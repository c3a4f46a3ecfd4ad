#include "unrect/verify/internal/box_cuts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "unrect/polytope/dense_lp.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// Σ_j |slope_j| max |x_j| + |constant|: what rounding errors are relative to.
double size_of_row(const VectorRef& slope, double constant, const Vector& low, const Vector& high) {
  return std::abs(constant) + slope.cwiseAbs().dot(low.cwiseAbs().cwiseMax(high.cwiseAbs()));
}

double doubt_of(Index inputs, double size) { return 2 * static_cast<double>(inputs + 8) * kEpsilon * size; }

// The rows over the inputs that vary: the others' parts are in the constants, rounded down.
struct Varying {
  std::vector<Index> input;
  Halfspaces rows;
  Box box;

  Varying(const AffineRows& from, const Vector& low, const Vector& high) {
    for (Index j = 0; j < low.size(); ++j) {
      if (high[j] > low[j]) input.push_back(j);
    }
    const auto k = static_cast<Index>(input.size());
    rows.normals.resize(from.size(), k);
    rows.offsets.resize(from.size());
    box.lower.resize(k);
    box.upper.resize(k);
    for (Index d = 0; d < k; ++d) {
      rows.normals.col(d) = from.slopes.col(input[at(d)]);
      box.lower[d] = low[input[at(d)]];
      box.upper[d] = high[input[at(d)]];
    }
    for (Index i = 0; i < from.size(); ++i) {
      double constant = from.constants[i];
      for (Index j = 0; j < low.size(); ++j) {
        if (!(high[j] > low[j])) constant += from.slopes(i, j) * low[j];
      }
      const double size = size_of_row(from.slopes.row(i).transpose(), from.constants[i], low, high);
      rows.offsets[i] = -constant + doubt_of(low.size(), size);
      if (std::isfinite(rows.offsets[i]) && rows.normals.row(i).allFinite()) continue;
      rows.normals.row(i).setZero();  // a minorant that overflowed: no row at all
      rows.offsets[i] = 1;
    }
  }
};

}  // namespace

bool cut_box(const VectorRef& slope, double constant, Vector& low, Vector& high) {
  if (!std::isfinite(constant) || !slope.allFinite()) return true;  // a minorant that overflowed
  double least = constant;
  for (Index j = 0; j < low.size(); ++j) least += std::min(slope[j] * low[j], slope[j] * high[j]);
  const double doubt = doubt_of(low.size(), size_of_row(slope, constant, low, high));
  if (least > doubt) return false;
  const double room = 2 * doubt - least;  // slope (x − the better end) may be this much
  for (Index j = 0; j < low.size(); ++j) {
    if (std::abs(slope[j]) * (high[j] - low[j]) <= room * (1 + 8 * kEpsilon)) continue;
    const double reach = room / std::abs(slope[j]) * (1 + 8 * kEpsilon);
    if (slope[j] > 0) {
      high[j] = std::min(high[j], low[j] + reach + 4 * kEpsilon * (std::abs(low[j]) + reach));
    } else {
      low[j] = std::max(low[j], high[j] - reach - 4 * kEpsilon * (std::abs(high[j]) + reach));
    }
  }
  return true;
}

bool shrink_box(const AffineRows& rows, Vector& low, Vector& high) {
  const Varying varying(rows, low, high);
  const auto k = static_cast<Index>(varying.input.size());
  if (k == 0) return true;
  DenseLp lp(varying.rows, varying.box);
  for (Index d = 0; d < k; ++d) {
    const Index j = varying.input[at(d)];
    const Vector unit = Vector::Unit(k, d);
    const double least = lp.minimize(unit).safe_bound;
    const double most = lp.maximize(unit).safe_bound;
    if (least > most || least > high[j] || most < low[j]) return false;
    low[j] = std::max(low[j], least);
    high[j] = std::min(high[j], most);
  }
  return true;
}

Deepest deepest_point(const AffineRows& rows, const Vector& low, const Vector& high) {
  const Varying varying(rows, low, high);
  const auto k = static_cast<Index>(varying.input.size());
  // min t subject to rows − t ≤ 0.
  double reach = 1;
  for (Index i = 0; i < rows.size(); ++i)
    reach = std::max(reach, 2 * size_of_row(rows.slopes.row(i).transpose(), rows.constants[i], low, high));
  Halfspaces sides;
  sides.normals.resize(rows.size(), k + 1);
  sides.normals.leftCols(k) = varying.rows.normals;
  sides.normals.col(k).setConstant(-1);
  sides.offsets = varying.rows.offsets;
  Box box;
  box.lower.resize(k + 1);
  box.upper.resize(k + 1);
  box.lower << varying.box.lower, -reach;
  box.upper << varying.box.upper, reach;
  DenseLp lp(sides, box);
  const LpResult& result = lp.minimize(Vector::Unit(k + 1, k));
  Deepest deepest{result.safe_bound, low, result.row_duals};
  for (Index d = 0; d < k; ++d)
    deepest.point[varying.input[at(d)]] = std::clamp(result.x[d], varying.box.lower[d], varying.box.upper[d]);
  return deepest;
}

}  // namespace unrect
