#include "unrect/sensing/scores.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr Index kWindow = 7;

void require_alike(const MatrixRef& found, const MatrixRef& truth) {
  UNRECT_REQUIRE(found.rows() == truth.rows() && found.cols() == truth.cols() && truth.size() > 0,
                 ErrorCode::kInvalidArgument, "image of {} × {} compared with one of {} × {}", found.rows(),
                 found.cols(), truth.rows(), truth.cols());
}

Matrix clipped(const MatrixRef& image) { return image.cwiseMax(0).cwiseMin(1); }

/// Means over all windows inside.
Matrix window_means(const Matrix& values) {
  const Index rows = values.rows() - kWindow + 1, cols = values.cols() - kWindow + 1;
  Matrix across = values.leftCols(cols);
  for (Index k = 1; k < kWindow; ++k) across += values.middleCols(k, cols);
  Matrix sums = across.topRows(rows);
  for (Index k = 1; k < kWindow; ++k) sums += across.middleRows(k, rows);
  return sums / (kWindow * kWindow);
}

}  // namespace

double psnr(const MatrixRef& found, const MatrixRef& truth) {
  require_alike(found, truth);
  return -10 * std::log10((clipped(found) - truth).squaredNorm() / static_cast<double>(truth.size()));
}

double ssim(const MatrixRef& found, const MatrixRef& truth) {
  require_alike(found, truth);
  if (std::min(truth.rows(), truth.cols()) < kWindow) return std::numeric_limits<double>::quiet_NaN();
  constexpr double kSample = kWindow * kWindow / (kWindow * kWindow - 1.0);
  constexpr double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
  const Matrix x = clipped(found), y = truth;
  const Matrix mx = window_means(x), my = window_means(y);
  const Matrix vx = kSample * (window_means(x.cwiseAbs2()) - mx.cwiseAbs2());
  const Matrix vy = kSample * (window_means(y.cwiseAbs2()) - my.cwiseAbs2());
  const Matrix vxy = kSample * (window_means(x.cwiseProduct(y)) - mx.cwiseProduct(my));
  return ((2 * mx.array() * my.array() + c1) * (2 * vxy.array() + c2) /
          ((mx.array().square() + my.array().square() + c1) * (vx.array() + vy.array() + c2)))
      .mean();
}

double nmse(const MatrixRef& found, const MatrixRef& truth) {
  require_alike(found, truth);
  return (found - truth).squaredNorm() / truth.squaredNorm();
}

}  // namespace unrect
