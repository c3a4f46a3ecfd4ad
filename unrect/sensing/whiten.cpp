#include "unrect/sensing/whiten.hpp"

#include <Eigen/Eigenvalues>
#include <cmath>
#include <utility>

#include "unrect/base/error.hpp"

namespace unrect {

Matrix whitening(const MatrixRef& phi, double noise) {
  constexpr double kPixelSpread = 0.2;
  const double scale = phi.cwiseAbs().maxCoeff();
  UNRECT_REQUIRE(scale > 0, ErrorCode::kInvalidArgument, "an operator of zeros measures nothing");
  const Matrix unit = phi / scale;  // products of its entries neither overflow nor vanish
  const Matrix gram = unit * unit.transpose();
  if ((scale * scale * gram - Matrix::Identity(gram.rows(), gram.cols())).cwiseAbs().maxCoeff() < 1e-4) return {};
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram);
  const Eigen::VectorXd& values = solver.eigenvalues();  // rising
  const double ridge = std::pow(noise / (kPixelSpread * scale), 2);
  const double least = 1e-13 * values(values.size() - 1);
  const Index rank = (values.array() > least).count();
  return (values.tail(rank).array() + ridge).rsqrt().matrix().asDiagonal() *
         solver.eigenvectors().rightCols(rank).transpose() / scale;
}

double whitened_noise(const MatrixRef& transform, double noise) {
  return transform.size() == 0 ? noise : noise * transform.norm() / std::sqrt(static_cast<double>(transform.rows()));
}

Matrix White::measurements(const Measurement& m) const {
  const Index expected = transform.size() > 0 ? transform.cols() : phi.rows();
  require_measured_by(m, expected, block);
  return transform.size() > 0 ? Matrix(m.y * transform.transpose()) : m.y;
}

White whitened(const Sampling& sampling, double noise) {
  const bool orthonormal = sampling.kind != SensingKind::kGaussian && sampling.kind != SensingKind::kBernoulli &&
                           sampling.kind != SensingKind::kGiven;
  if (orthonormal) return {sampling.phi, {}, sampling.block};
  require_small(sampling);
  const Matrix phi = sampling.phi.to_matrix();
  Matrix transform = whitening(phi, noise);
  if (transform.size() == 0) return {sampling.phi, {}, sampling.block};
  LinearOperator white(Matrix(transform * phi));
  return {std::move(white), std::move(transform), sampling.block};
}

}  // namespace unrect
