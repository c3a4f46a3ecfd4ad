#include "unrect/signal/total_variation.hpp"

#include <fmt/format.h>

#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

/// out = image + λ div(down, across), div the negative adjoint of the differences. The dual's last row (down) and last
/// column (across) are 0.
void add_divergence(const MatrixRef& image, double lambda, const Matrix& down, const Matrix& across, Matrix& out) {
  const Index h = image.rows(), w = image.cols();
  for (Index i = 0; i < h; ++i) {
    if (i == 0) {
      out.row(i) = image.row(i) + lambda * down.row(i);
    } else {
      out.row(i) = image.row(i) + lambda * (down.row(i) - down.row(i - 1));
    }
    out.row(i) += lambda * across.row(i);
    out.row(i).tail(w - 1) -= lambda * across.row(i).head(w - 1);
  }
}

}  // namespace

double total_variation(const MatrixRef& image) {
  const Index h = image.rows(), w = image.cols();
  double sum = 0;
  Vector square(w);
  for (Index i = 0; i < h; ++i) {
    square.setZero();
    square.head(w - 1) = (image.row(i).tail(w - 1) - image.row(i).head(w - 1)).cwiseAbs2().transpose();
    if (i + 1 < h) square += (image.row(i + 1) - image.row(i)).cwiseAbs2().transpose();
    sum += square.cwiseSqrt().sum();
  }
  return sum;
}

TvDenoiser::TvDenoiser(Index height, Index width) : height_(height), width_(width) {
  UNRECT_REQUIRE(height >= 1 && width >= 1, ErrorCode::kInvalidArgument, "image of {} × {}, expected at least 1 × 1",
                 height, width);
  down_ = Matrix::Zero(height, width);
  across_ = Matrix::Zero(height, width);
}

Matrix TvDenoiser::denoise(const MatrixRef& image, double lambda, int iterations) {
  UNRECT_REQUIRE(image.rows() == height_ && image.cols() == width_, ErrorCode::kInvalidArgument,
                 "image of {} × {}, expected {} × {}", image.rows(), image.cols(), height_, width_);
  UNRECT_REQUIRE(lambda > 0, ErrorCode::kInvalidArgument, "λ = {}, expected > 0", lambda);
  Matrix x(height_, width_);
  Matrix ahead_down = down_, ahead_across = across_;
  const double step = 1 / (8 * lambda);  // the differences have norm² ≤ 8
  double t = 1;
  using Row = Eigen::Array<double, 1, Eigen::Dynamic>;
  Row p(width_), q(width_), scale(width_);
  for (int iteration = 0; iteration < iterations; ++iteration) {
    add_divergence(image, lambda, ahead_down, ahead_across, x);
    const double next_t = 0.5 * (1 + std::sqrt(1 + 4 * t * t));
    const double momentum = (t - 1) / next_t;
    t = next_t;
    for (Index i = 0; i < height_; ++i) {
      if (i + 1 < height_) {
        p = ahead_down.row(i).array() + step * (x.row(i + 1) - x.row(i)).array();
      } else {
        p.setZero();
      }
      q.head(width_ - 1) = ahead_across.row(i).head(width_ - 1).array() +
                           step * (x.row(i).tail(width_ - 1) - x.row(i).head(width_ - 1)).array();
      q(width_ - 1) = 0;
      scale = (p.square() + q.square()).max(1.0).sqrt().inverse();
      p *= scale;
      q *= scale;
      ahead_down.row(i).array() = p + momentum * (p - down_.row(i).array());
      ahead_across.row(i).array() = q + momentum * (q - across_.row(i).array());
      down_.row(i).array() = p;
      across_.row(i).array() = q;
    }
  }
  add_divergence(image, lambda, down_, across_, x);
  // Dual objective: ½‖image‖² − ½‖image + λ div p‖².
  gap_ = 0.5 * (x - image).squaredNorm() + lambda * total_variation(x) - 0.5 * (image.squaredNorm() - x.squaredNorm());
  return x;
}

}  // namespace unrect
