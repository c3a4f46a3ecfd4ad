// The problem that a DenseLp holds: box, rows, last basis. dense_lp_solve.cpp solves it.
#include "unrect/polytope/dense_lp.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/polytope/internal/lanes.hpp"

namespace unrect {
namespace {

using simd::kStride;
using simd::round_up;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

std::string_view to_string(LpStatus status) {
  switch (status) {
    case LpStatus::kOptimal:
      return "optimal";
    case LpStatus::kInfeasible:
      return "infeasible";
    case LpStatus::kUnbounded:
      return "unbounded";
    case LpStatus::kCutoff:
      return "cutoff";
    case LpStatus::kIterationLimit:
      return "iteration limit";
  }
  return "?";
}

DenseLp::DenseLp(Box box, LpTolerances tolerances)
    : n_(box.dimension()), width_(round_up(n_)), tolerances_(tolerances), basis_(n_), old_basis_(n_), taken_(n_) {
  UNRECT_REQUIRE(n_ > 0, ErrorCode::kInvalidArgument, "dense lp: a box of dimension 0; expected at least 1");
  inverse_ = Matrix::Zero(n_, width_);
  for (Vector* v : {&cost_, &x_, &y_, &w_, &residual_, &magnitude_}) *v = Vector::Zero(width_);
  lower_limit_ = Vector::Constant(width_, -kInfinity);
  upper_limit_ = Vector::Constant(width_, kInfinity);
  lower_ = upper_ = Vector::Zero(width_);
  result_.x = result_.reduced_costs = Vector::Zero(n_);
  set_box(std::move(box));
  reserve(kStride);
}

DenseLp::DenseLp(const Halfspaces& rows, Box box, LpTolerances tolerances) : DenseLp(std::move(box), tolerances) {
  set_rows(rows.normals, rows.offsets);
}

void DenseLp::set_box(Box box) {
  UNRECT_REQUIRE(box.dimension() == n_, ErrorCode::kInvalidArgument, "dense lp: a box of dimension {}; expected {}",
                 box.dimension(), n_);
  box_ = std::move(box);
  x_current_ = false;
  lower_.head(n_) = box_.lower;
  upper_.head(n_) = box_.upper;
  for (Index j = 0; j < n_; ++j) {
    lower_limit_[j] = box_.lower[j] - tolerances_.feasibility * std::max(1.0, std::abs(box_.lower[j]));
    upper_limit_[j] = box_.upper[j] + tolerances_.feasibility * std::max(1.0, std::abs(box_.upper[j]));
  }
}

void DenseLp::reserve(Index rows) {
  const Index old = limit_.size();
  if (rows <= old) return;
  const Index capacity = round_up(std::max(rows, 2 * old));
  rows_.conservativeResize(capacity, width_);
  rows_.bottomRows(capacity - old).setZero();
  columns_.conservativeResize(n_, capacity);
  columns_.rightCols(capacity - old).setZero();
  for (Vector* v : {&offset_, &scale_, &slack_, &rate_}) {
    v->conservativeResize(capacity);
    v->tail(capacity - old).setZero();
  }
  limit_.conservativeResize(capacity);
  limit_.tail(capacity - old).setConstant(kInfinity);
  enabled_.resize(capacity, 0);
}

void DenseLp::put_row(Index row, const VectorRef& normal, double offset) {
  UNRECT_REQUIRE(normal.allFinite() && std::isfinite(offset), ErrorCode::kInvalidArgument,
                 "dense lp: row {} has an entry that is not finite", row);
  const double norm = normal.stableNorm();
  // To a length of √2 to 2√2: all unit vectors are scaled alike, whatever their rounding, and rows, being a little
  // longer than the normals of the box, come in before the sides of one that is far away. Lengths beyond 2^±1000 are
  // brought nearer only: the scale and its inverse stay finite.
  scale_[row] = norm > 0 ? std::ldexp(1.0, std::clamp(1 - std::ilogb(std::numbers::sqrt2 * norm), -1000, 1000)) : 1;
  rows_.row(row).head(n_) = scale_[row] * normal.transpose();
  columns_.col(row) = rows_.row(row).head(n_).transpose();
  offset_[row] = scale_[row] * offset;
  enabled_[row] = 1;
  update_limit(row);
}

void DenseLp::forget_basis_with(Index row) {
  if (std::find(basis_.begin(), basis_.end(), row) != basis_.end()) basis_valid_ = false;
}

void DenseLp::check_row(Index row) const {
  UNRECT_REQUIRE(row >= 0 && row < m_, ErrorCode::kInvalidArgument, "dense lp: row {}; expected 0 to {}", row, m_ - 1);
}

void DenseLp::set_rows(const MatrixRef& normals, const VectorRef& offsets) {
  UNRECT_REQUIRE(normals.cols() == n_ && normals.rows() == offsets.size(), ErrorCode::kInvalidArgument,
                 "dense lp: rows are {} × {} with {} offsets; expected {} columns and as many offsets as rows",
                 normals.rows(), normals.cols(), offsets.size(), n_);
  basis_valid_ = false;
  for (Index i = normals.rows(); i < m_; ++i) {
    enabled_[i] = 0;
    update_limit(i);
  }
  reserve(normals.rows());
  m_ = normals.rows();
  for (Index i = 0; i < m_; ++i) put_row(i, normals.row(i).transpose(), offsets[i]);
}

Index DenseLp::append_row(const VectorRef& normal, double offset) {
  UNRECT_REQUIRE(normal.size() == n_, ErrorCode::kInvalidArgument, "dense lp: a row of {} entries; expected {}",
                 normal.size(), n_);
  reserve(m_ + 1);
  put_row(m_, normal, offset);
  return m_++;
}

void DenseLp::pop_row() {
  UNRECT_REQUIRE(m_ > 0, ErrorCode::kInvalidArgument, "dense lp: no row to remove");
  enable_row(m_ - 1, false);
  --m_;
}

void DenseLp::set_offset(Index row, double offset) {
  check_row(row);
  UNRECT_REQUIRE(std::isfinite(offset), ErrorCode::kInvalidArgument, "dense lp: the offset of row {} is not finite",
                 row);
  offset_[row] = scale_[row] * offset;
  x_current_ = false;
  update_limit(row);
}

void DenseLp::enable_row(Index row, bool enabled) {
  check_row(row);
  enabled_[row] = enabled;
  update_limit(row);
  if (!enabled) forget_basis_with(row);
}

Matrix DenseLp::basis_inverse() const {
  Matrix inverse = inverse_.leftCols(n_);
  for (Index k = 0; k < n_; ++k) {
    if (basis_[k] >= 0) inverse.col(k) *= scale_[basis_[k]];
  }
  return inverse;
}

}  // namespace unrect
