#include "unrect/train/internal/spectral_ball.hpp"

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <algorithm>

#include "unrect/base/rng.hpp"
#include "unrect/network/norms.hpp"

namespace unrect {
namespace {

constexpr Index kFirstDirections = 16;

}  // namespace

SpectralBall::SpectralBall(Index cols, double bound)
    : bound_(bound), directions_(Rng(1).normal_matrix(cols, std::min(cols, kFirstDirections)).cast<float>()) {}

void SpectralBall::project(FloatOut w, FloatOut velocity) {
  const Index count = directions_.cols();
  FloatMatrix image(w.rows(), count);
  gemm(w, Transpose::kNo, directions_, Transpose::kNo, image);
  gemm(w, Transpose::kYes, image, Transpose::kNo, directions_);
  const Eigen::HouseholderQR<FloatMatrix> qr(directions_);
  directions_ = qr.householderQ() * FloatMatrix::Identity(w.cols(), count);
  // Rayleigh–Ritz: W's singular values within the subspace.
  gemm(w, Transpose::kNo, directions_, Transpose::kNo, image);
  FloatMatrix inner(count, count);
  gemm(image, Transpose::kYes, image, Transpose::kNo, inner);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXf> eigen(inner);
  const FloatVector values = eigen.eigenvalues().cwiseMax(0).cwiseSqrt();
  const float bound = static_cast<float>(bound_);
  const FloatVector cuts = (values.array() > bound).select(1 - bound / values.array().max(bound), 0.F);
  if (cuts.maxCoeff() > 0) {
    const FloatMatrix left = image * eigen.eigenvectors() * cuts.asDiagonal();
    const FloatMatrix right = directions_ * eigen.eigenvectors();
    gemm(left, Transpose::kNo, right, Transpose::kYes, w, -1, 1);
    if (velocity.size() > 0) gemm(left, Transpose::kNo, right, Transpose::kYes, velocity, -1, 1);
  }
  // All of them at the bound: there may be more.
  const Index most = std::min(w.rows(), w.cols());
  if (values.minCoeff() > 0.9F * bound && count < most) {
    const Index more = std::min(2 * count, most);
    directions_.conservativeResize(Eigen::NoChange, more);
    directions_.rightCols(more - count) =
        Rng(static_cast<std::uint64_t>(more)).normal_matrix(w.cols(), more - count).cast<float>();
  }
}

void SpectralBall::finish(FloatOut w) const {
  const double norm = spectral_norm(w.cast<double>());
  // A shade below, so that rounding to float stays below, too.
  if (norm > bound_ * (1 - 1e-6)) w *= static_cast<float>(bound_ * (1 - 2e-6) / norm);
}

}  // namespace unrect
