#include "unrect/signal/internal/sparse_lp.hpp"

#include <fmt/format.h>

#include <ClpSimplex.hpp>
#include <CoinPackedMatrix.hpp>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double to_clp(double bound) { return std::clamp(bound, -COIN_DBL_MAX, COIN_DBL_MAX); }

// min r t over [lower, upper]; 0 · ∞ = 0.
double least(double r, double lower, double upper) {
  if (r == 0) return 0;
  return r > 0 ? r * lower : r * upper;
}

double largest(double lower, double upper) { return std::max(std::abs(lower), std::abs(upper)); }

}  // namespace

struct SparseLp::Model {
  ClpSimplex clp;
  SparseRows rows;

  LpResult solve(const VectorRef& cost, double sign);
  double charge(const VectorRef& cost, double sign, bool farkas, LpResult* result) const;
};

SparseLp::SparseLp(const SparseRows& rows) : model_(std::make_unique<Model>()) {
  const Index n = rows.lower.size();
  const Index m = rows.row_lower.size();
  UNRECT_REQUIRE(rows.upper.size() == n && rows.row_upper.size() == m, ErrorCode::kInvalidArgument,
                 "sparse lp: bounds of {} and {} variables, {} and {} rows; expected pairs of equal size", n,
                 rows.upper.size(), m, rows.row_upper.size());
  std::vector<int> row_index;
  std::vector<int> column_index;
  std::vector<double> value;
  for (const SparseEntry& entry : rows.entries) {
    UNRECT_REQUIRE(
        entry.row >= 0 && entry.row < m && entry.column >= 0 && entry.column < n && std::isfinite(entry.value),
        ErrorCode::kInvalidArgument, "sparse lp: entry ({}, {}) = {} in a matrix of {} × {}", entry.row, entry.column,
        entry.value, m, n);
    row_index.push_back(static_cast<int>(entry.row));
    column_index.push_back(static_cast<int>(entry.column));
    value.push_back(entry.value);
  }
  CoinPackedMatrix matrix(true, row_index.data(), column_index.data(), value.data(),
                          static_cast<CoinBigIndex>(value.size()));
  matrix.setDimensions(static_cast<int>(m), static_cast<int>(n));
  const Vector lower = rows.lower.unaryExpr(&to_clp);
  const Vector upper = rows.upper.unaryExpr(&to_clp);
  const Vector row_lower = rows.row_lower.unaryExpr(&to_clp);
  const Vector row_upper = rows.row_upper.unaryExpr(&to_clp);
  model_->clp.setLogLevel(0);
  model_->clp.loadProblem(matrix, lower.data(), upper.data(), nullptr, row_lower.data(), row_upper.data());
  model_->rows = rows;
}

SparseLp::SparseLp(SparseLp&&) noexcept = default;
SparseLp& SparseLp::operator=(SparseLp&&) noexcept = default;
SparseLp::~SparseLp() = default;

Index SparseLp::dimension() const { return model_->rows.lower.size(); }
Index SparseLp::size() const { return model_->rows.row_lower.size(); }

void SparseLp::set_bounds(Index column, double lower, double upper) {
  UNRECT_REQUIRE(column >= 0 && column < dimension() && lower <= upper, ErrorCode::kInvalidArgument,
                 "sparse lp: bounds [{}, {}] for variable {} of {}", lower, upper, column, dimension());
  model_->rows.lower[column] = lower;
  model_->rows.upper[column] = upper;
  model_->clp.setColumnBounds(static_cast<int>(column), to_clp(lower), to_clp(upper));
}

void SparseLp::set_row_bounds(Index row, double lower, double upper) {
  UNRECT_REQUIRE(row >= 0 && row < size() && lower <= upper, ErrorCode::kInvalidArgument,
                 "sparse lp: bounds [{}, {}] for row {} of {}", lower, upper, row, size());
  model_->rows.row_lower[row] = lower;
  model_->rows.row_upper[row] = upper;
  model_->clp.setRowBounds(static_cast<int>(row), to_clp(lower), to_clp(upper));
}

// The bound that result->row_duals prove, as DenseLp does it; fills reduced_costs.
double SparseLp::Model::charge(const VectorRef& cost, double sign, bool farkas, LpResult* result) const {
  const Index n = rows.lower.size();
  Vector remainder = farkas ? Vector::Zero(n) : Vector(sign * cost);
  Vector size = remainder.cwiseAbs();
  for (const SparseEntry& entry : rows.entries) {
    const double term = entry.value * result->row_duals[entry.row];
    remainder[entry.column] += term;
    size[entry.column] += std::abs(term);
  }
  const double slop = 2 * static_cast<double>(rows.row_lower.size() + n + 4) * std::numeric_limits<double>::epsilon();
  double total = 0;
  double rounding = 0;
  for (Index i = 0; i < rows.row_lower.size(); ++i) {
    const double term = least(-result->row_duals[i], rows.row_lower[i], rows.row_upper[i]);
    total += term;
    rounding += std::abs(term);
  }
  for (Index j = 0; j < n; ++j) {
    const double error = slop * size[j];
    // The true remainder is within `error`; over an infinite side only a certain sign will do.
    const double term = std::min(least(remainder[j] - error, rows.lower[j], rows.upper[j]),
                                 least(remainder[j] + error, rows.lower[j], rows.upper[j]));
    const bool exact_zero = size[j] == 0;
    total += exact_zero ? 0 : term;
    rounding += exact_zero || !std::isfinite(term)
                    ? 0
                    : size[j] * largest(std::isfinite(rows.lower[j]) ? rows.lower[j] : 0,
                                        std::isfinite(rows.upper[j]) ? rows.upper[j] : 0);
  }
  result->reduced_costs = remainder;
  return std::isnan(total) ? -kInfinity : total - slop * rounding;
}

LpResult SparseLp::Model::solve(const VectorRef& cost, double sign) {
  const Index n = rows.lower.size();
  const Index m = rows.row_lower.size();
  UNRECT_REQUIRE(cost.size() == n && cost.allFinite(), ErrorCode::kInvalidArgument,
                 "sparse lp: a cost of {} entries; expected {}, all finite", cost.size(), n);
  const Vector signed_cost = sign * cost;
  std::copy_n(signed_cost.data(), n, clp.objective());
  clp.dual();
  if (clp.status() == 2) clp.primal();  // the dual method's "unbounded" is only dual infeasibility
  LpResult result;
  result.pivots = clp.numberIterations();
  result.x = Eigen::Map<const Vector>(clp.primalColumnSolution(), n);
  result.objective = cost.dot(result.x);
  switch (clp.status()) {
    case 0:
      result.status = LpStatus::kOptimal;
      break;
    case 1:
      result.status = LpStatus::kInfeasible;
      break;
    case 2:
      result.status = LpStatus::kUnbounded;
      break;
    default:
      result.status = LpStatus::kIterationLimit;
  }
  // A multiplier for a side that is not there has the wrong sign by rounding: clip.
  const auto prove = [&](Vector multipliers) {
    for (Index i = 0; i < m; ++i) {
      if (multipliers[i] > 0 && rows.row_upper[i] == kInfinity) multipliers[i] = 0;
      if (multipliers[i] < 0 && rows.row_lower[i] == -kInfinity) multipliers[i] = 0;
    }
    result.row_duals = std::move(multipliers);
    return charge(cost, sign, result.status == LpStatus::kInfeasible, &result);
  };
  if (result.status != LpStatus::kInfeasible) {
    result.safe_bound = sign * prove(-Eigen::Map<const Vector>(clp.dualRowSolution(), m));
    return result;
  }
  // The dual method's ray, whose sign depends on which end was out of reach; else the primal method's first-phase
  // duals.
  double bound = -kInfinity;
  if (const std::unique_ptr<double[]> ray(clp.infeasibilityRay()); ray) {
    const Vector y = Eigen::Map<const Vector>(ray.get(), m);
    bound = prove(y);
    if (!(bound > 0)) bound = prove(-y);
  }
  if (!(bound > 0)) {
    clp.allSlackBasis(true);
    clp.primal();
    bound = prove(-Eigen::Map<const Vector>(clp.dualRowSolution(), m));
  }
  result.safe_bound = sign * (bound > 0 ? kInfinity : -kInfinity);
  return result;
}

LpResult SparseLp::minimize(const VectorRef& cost) { return model_->solve(cost, 1); }
LpResult SparseLp::maximize(const VectorRef& cost) { return model_->solve(cost, -1); }

}  // namespace unrect
