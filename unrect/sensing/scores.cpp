#include "unrect/sensing/scores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr Index kWindow = 7;
constexpr double kRounding = 1e-20;  // a mean squared error that is none

void require_alike(const MatrixRef& found, const MatrixRef& truth) {
  UNRECT_REQUIRE(found.rows() == truth.rows() && found.cols() == truth.cols() && truth.size() > 0,
                 ErrorCode::kInvalidArgument, "image of {} × {} compared with one of {} × {}", found.rows(),
                 found.cols(), truth.rows(), truth.cols());
}

Matrix clipped(const MatrixRef& image) { return image.cwiseMax(0).cwiseMin(1); }

/// Means over all windows of height × width inside.
Matrix window_means(const Matrix& values, Index height, Index width) {
  const Index rows = values.rows() - height + 1, cols = values.cols() - width + 1;
  Matrix across = values.leftCols(cols);
  for (Index k = 1; k < width; ++k) across += values.middleCols(k, cols);
  Matrix sums = across.topRows(rows);
  for (Index k = 1; k < height; ++k) sums += across.middleRows(k, rows);
  return sums / static_cast<double>(height * width);
}

}  // namespace

double psnr(const MatrixRef& found, const MatrixRef& truth) {
  require_alike(found, truth);
  const double error = (clipped(found) - truth).squaredNorm() / static_cast<double>(truth.size());
  return -10 * std::log10(error < kRounding ? kRounding : error);
}

double ssim(const MatrixRef& found, const MatrixRef& truth) {
  require_alike(found, truth);
  const Index height = std::min(kWindow, truth.rows()), width = std::min(kWindow, truth.cols());
  const auto count = static_cast<double>(height * width);
  const double sample = count > 1 ? count / (count - 1) : 1;
  constexpr double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
  const Matrix x = clipped(found), y = truth;
  const auto means = [&](const Matrix& values) { return window_means(values, height, width); };
  const Matrix mx = means(x), my = means(y);
  const Matrix vx = sample * (means(x.cwiseAbs2()) - mx.cwiseAbs2());
  const Matrix vy = sample * (means(y.cwiseAbs2()) - my.cwiseAbs2());
  const Matrix vxy = sample * (means(x.cwiseProduct(y)) - mx.cwiseProduct(my));
  return ((2 * mx.array() * my.array() + c1) * (2 * vxy.array() + c2) /
          ((mx.array().square() + my.array().square() + c1) * (vx.array() + vy.array() + c2)))
      .mean();
}

double nmse(const MatrixRef& found, const MatrixRef& truth) {
  require_alike(found, truth);
  return (found - truth).squaredNorm() / truth.squaredNorm();
}

}  // namespace unrect
