#include "unrect/bounds/internal/shor_bound.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/bounds/internal/norm_range.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kSmallest = 1e-250;  // what underflows is nothing beside the doubt then
constexpr int kMostSteps = 60;
constexpr double kCentred = 0.6;  // Newton decrement below which θ may grow,
constexpr double kGrowth = 6;     // by this factor

}  // namespace

void ShorBound::assemble(const UnitProgram& p, double lambda_now, const Vector& t) {
  const Index k = p.directions;
  matrix_.noalias() = -p.outputs.transpose() * p.outputs;
  matrix_.diagonal().head(k).array() += lambda_now;
  for (Index i = 0; i < p.undecided(); ++i) {
    matrix_.row(k + i) -= t[i] * p.units.row(i);
    matrix_.col(k + i) -= t[i] * p.units.row(i).transpose();
  }
}

bool ShorBound::factorise(const UnitProgram& p, double lambda_now, const Vector& t) {
  assemble(p, lambda_now, t);
  lower_ = matrix_;
  const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> cholesky(lower_);
  return cholesky.info() == Eigen::Success && lower_.diagonal().allFinite();
}

void ShorBound::start(const UnitProgram& p, const Vector& weight) {
  const double outputs = std::max(p.outputs.squaredNorm(), std::numeric_limits<double>::min());
  for (double factor = 2; factor < 1e60; factor *= 4) {
    multipliers = weight * factor;
    lambda = 4 * factor * (outputs + 2 * weight.cwiseAbs().dot(p.units.rowwise().squaredNorm()));
    if (!std::isfinite(lambda)) break;
    if (factorise(p, lambda, multipliers)) return;
  }
  lambda = std::numeric_limits<double>::infinity();
}

// ∂M/∂t_i = −(e_i y_iᵀ + y_i e_iᵀ); with S = M⁻¹, R = S_v Yᵀ, P = S_vv, K = Y S Yᵀ: the gradient of −log det M is
// 2 R_ii, its Hessian 2 (P ∘ K + R ∘ Rᵀ).
bool ShorBound::solve(const UnitProgram& p, double target) {
  const Index k = p.directions, m = p.undecided(), s = p.size();
  directions_ = k;
  has_moments_ = false;
  if (lambda <= target) return true;
  if (!std::isfinite(lambda)) return false;
  for (int raised = 0; !factorise(p, lambda, multipliers); ++raised) {
    if (raised == 40) return false;
    lambda *= 1.01;
  }
  double theta = 0;
  Vector t(m);
  for (int step = 0; step < kMostSteps; ++step) {
    // S = L⁻ᵀ L⁻¹, by halves: both it and Y S Yᵀ are symmetric.
    root_.setIdentity(s, s);
    lower_.triangularView<Eigen::Lower>().solveInPlace(root_);
    inverse_.setZero(s, s);
    inverse_.selfadjointView<Eigen::Lower>().rankUpdate(root_.transpose());
    inverse_.triangularView<Eigen::StrictlyUpper>() = inverse_.transpose();
    root_units_.noalias() = root_.triangularView<Eigen::Lower>() * p.units.transpose();
    inverse_units_.noalias() = root_.transpose().triangularView<Eigen::Upper>() * root_units_;
    units_inverse_units_.setZero(m, m);
    units_inverse_units_.selfadjointView<Eigen::Lower>().rankUpdate(root_units_.transpose());
    units_inverse_units_.triangularView<Eigen::StrictlyUpper>() = units_inverse_units_.transpose();
    has_moments_ = true;
    const auto cross = inverse_units_.bottomRows(m).array();
    hessian_.resize(m + 1, m + 1);
    gradient_.resize(m + 1);
    hessian_.topLeftCorner(m, m) =
        2 * (inverse_.bottomRightCorner(m, m).array() * units_inverse_units_.array() + cross * cross.transpose());
    for (Index i = 0; i < m; ++i) {
      gradient_[i] = 2 * cross(i, i);
      hessian_(i, m) = hessian_(m, i) = -2 * inverse_.col(k + i).head(k).dot(inverse_units_.col(i).head(k));
    }
    const double trace = inverse_.topLeftCorner(k, k).trace();
    hessian_(m, m) = inverse_.topLeftCorner(k, k).squaredNorm();
    if (theta == 0) theta = trace;  // the one that λ is best centred for
    gradient_[m] = theta - trace;
    const Eigen::LDLT<Eigen::MatrixXd> newton(hessian_);
    step_ = -newton.solve(gradient_);
    double decrement = std::sqrt(std::max(0.0, -gradient_.dot(step_)));
    if (decrement < kCentred) {
      // On the central path λ is s/θ above the least one.
      const double size = static_cast<double>(s);
      if (lambda - (size + decrement * std::sqrt(size)) / theta > target) return false;
      theta *= kGrowth;
      if (theta > 1e13 * size / lambda) return false;
      gradient_[m] = theta - trace;
      step_ = -newton.solve(gradient_);
      decrement = std::sqrt(std::max(0.0, -gradient_.dot(step_)));
    }
    if (!step_.allFinite()) return false;
    double length = 1;
    int halved = 0;
    const auto takes = [&] {
      t = multipliers + length * step_.head(m);
      return factorise(p, lambda + length * step_[m], t);
    };
    while (!takes()) {
      if (++halved > 20) return false;
      length = halved == 20 ? 0.9 / (1 + decrement) : 0.5 * length;
    }
    if (halved > 0) {  // some way back from where M becomes singular
      length *= 0.7;
      if (!takes()) return false;
    }
    multipliers = t;
    lambda += length * step_[m];
    if (lambda <= target) return true;
  }
  return false;
}

ShorBound::Moments ShorBound::moments(Index unit) const {
  const double vv = inverse_(directions_ + unit, directions_ + unit);
  const double vz = inverse_units_(directions_ + unit, unit) + vv;
  return {vv, vz, units_inverse_units_(unit, unit) + 2 * vz - vv};
}

// The doubt is measured after scaling rows and columns to a diagonal between 1 and 4: entry (i, j) by s_i s_j, where
// s_i² < 4 / M_ii.
bool ShorBound::proves(const UnitProgram& p, double lambda_at, double output_error, const Vector& unit_error) {
  if (!std::isfinite(lambda_at)) return false;
  const Index k = p.directions, m = p.undecided();
  assemble(p, lambda_at, multipliers);
  Vector scale(p.size());
  for (Index i = 0; i < p.size(); ++i) {
    if (!(matrix_(i, i) > kSmallest)) return false;
    scale[i] = 2 / std::sqrt(matrix_(i, i));
  }
  const Eigen::MatrixXd outputs = p.outputs * scale.asDiagonal(), units = p.units * scale.asDiagonal();
  const double norm = outputs.norm(),
               error = output_error * std::sqrt(static_cast<double>(p.outputs.rows())) * scale.maxCoeff();
  double doubt = (2 * norm + error) * error;
  // Rounding of the sums: p + 2m + 2 terms of these sizes an entry.
  double sizes = norm * norm + lambda_at * scale.head(k).squaredNorm();
  for (Index i = 0; i < m; ++i) {
    const double weight = 2 * std::abs(multipliers[i]) * scale[k + i];
    doubt += weight * unit_error[i] * scale.maxCoeff();
    sizes += weight * units.row(i).norm();
  }
  doubt += static_cast<double>(p.outputs.rows() + 4 + 8) * kEpsilon * sizes;
  return is_surely_semidefinite(matrix_, 1.01 * doubt);
}

}  // namespace unrect
