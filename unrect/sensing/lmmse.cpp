#include "unrect/sensing/lmmse.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/signal/blocks.hpp"

namespace unrect {
namespace {

// 1 for a pixel of a square block that is of its first rows × cols, else 0.
Vector pixels_inside(Index pixels, Index rows, Index cols) {
  const Index block = std::max<Index>(block_side(pixels), 1);
  Vector inside(pixels);
  for (Index i = 0; i < pixels; ++i) inside(i) = i / block < rows && i % block < cols ? 1 : 0;
  return inside;
}

// Φ on those pixels and CΦᵀ.
struct Masked {
  Vector inside;
  Matrix phi, cross;

  Masked(const MatrixRef& all, const BlockStatistics& statistics, Vector where) : inside(std::move(where)) {
    UNRECT_REQUIRE(all.cols() == inside.size() && all.rows() >= 1, ErrorCode::kInvalidArgument,
                   "operator of {} × {} for statistics of {} pixels", all.rows(), all.cols(), inside.size());
    phi = all * inside.asDiagonal();
    cross = inside.asDiagonal() * (statistics.covariance * phi.transpose());
  }

  Masked(const MatrixRef& all, const BlockStatistics& statistics, Index rows, Index cols, double noise)
      : Masked(all, statistics, pixels_inside(statistics.mean.size(), rows, cols)) {
    const Index block = block_side(inside.size());
    UNRECT_REQUIRE(rows >= 1 && rows <= block && cols >= 1 && cols <= block && noise >= 0 && std::isfinite(noise),
                   ErrorCode::kInvalidArgument, "{} × {} pixels of a block of {}, noise {}: expected inside, noise ≥ 0",
                   rows, cols, block, noise);
  }
};

// The lower triangle of ΦCΦᵀ + σ²I = LLᵀ.
Matrix root_of(const Masked& masked, double least) {
  Matrix seen = masked.phi * masked.cross;
  const double size = seen.diagonal().cwiseAbs().mean();
  const double most = seen.cwiseAbs().rowwise().sum().maxCoeff();  // no eigenvalue is below −most
  double floor = std::max(least, 1e-10 * size);
  seen.diagonal().array() += floor;
  Eigen::LLT<Matrix> factor(seen);
  // Covariances averaged over few images need not be those of anything: what is negative is taken for rounding, too.
  for (; factor.info() != Eigen::Success && floor <= 2 * most; floor *= 10) {
    seen.diagonal().array() += 9 * floor;
    factor.compute(seen);
  }
  UNRECT_REQUIRE(factor.info() == Eigen::Success, ErrorCode::kInvalidArgument,
                 "covariances that are not finite, or too large");
  return factor.matrixL();
}

}  // namespace

BlockStatistics block_statistics(const std::vector<Image>& images, Index block, Index stride) {
  UNRECT_REQUIRE(block >= 1 && stride >= 1, ErrorCode::kInvalidArgument, "blocks of {} every {}, expected at least 1",
                 block, stride);
  const Index pixels = block * block;
  constexpr Index kMostEntries = Index{1} << 26;
  UNRECT_REQUIRE(block <= 4096 && pixels <= kMostEntries / pixels, ErrorCode::kInvalidArgument,
                 "covariances of blocks of {} × {} pixels are too many; expected at most 90 × 90", block, block);
  BlockStatistics result{Vector::Zero(pixels), Matrix::Zero(pixels, pixels), 0};
  for (const Image& image : images) {
    const Index down = image.rows() < block ? 0 : (image.rows() - block) / stride + 1;
    const Index across = image.cols() < block ? 0 : (image.cols() - block) / stride + 1;
    if (down * across == 0) continue;
    Matrix blocks(down * across, pixels);
    for (Index k = 0; k < down * across; ++k) {
      Eigen::Map<Matrix>(blocks.row(k).data(), block, block) =
          image.block(k / across * stride, k % across * stride, block, block);
    }
    result.mean += blocks.colwise().sum().transpose();
    result.covariance.selfadjointView<Eigen::Lower>().rankUpdate(blocks.transpose());
    result.count += blocks.rows();
  }
  UNRECT_REQUIRE(result.count > 0, ErrorCode::kInvalidArgument, "{} images, none as large as a block of {} × {}",
                 images.size(), block, block);
  result.mean /= static_cast<double>(result.count);
  result.covariance /= static_cast<double>(result.count);
  result.covariance.selfadjointView<Eigen::Lower>().rankUpdate(result.mean, -1);
  result.covariance.triangularView<Eigen::StrictlyUpper>() = result.covariance.transpose();
  return result;
}

PixelStatistics pixel_statistics(const BlockStatistics& statistics) {
  const Index pixels = statistics.mean.size();
  const Index block = block_side(pixels);
  PixelStatistics result{statistics.mean.mean(), Matrix::Zero(block, block)};
  const Vector shift = statistics.mean.array() - result.mean;
  for (Index i = 0; i < pixels; ++i) {
    for (Index j = 0; j < pixels; ++j) {
      result.lags(std::abs(i / block - j / block), std::abs(i % block - j % block)) +=
          statistics.covariance(i, j) + shift(i) * shift(j);
    }
  }
  for (Index i = 0; i < block; ++i) {
    for (Index j = 0; j < block; ++j)
      result.lags(i, j) /= static_cast<double>((i > 0 ? 2 : 1) * (block - i) * (j > 0 ? 2 : 1) * (block - j));
  }
  return result;
}

BlockStatistics block_statistics(const PixelStatistics& statistics, Index block) {
  UNRECT_REQUIRE(
      block >= 1 && block <= statistics.lags.rows() && block <= statistics.lags.cols(), ErrorCode::kInvalidArgument,
      "blocks of {} × {} pixels, but covariances of pixels less than {} apart alone; expected no larger blocks", block,
      block, statistics.lags.rows());
  const Index pixels = block * block;
  BlockStatistics result{Vector::Constant(pixels, statistics.mean), Matrix(pixels, pixels), 0};
  for (Index i = 0; i < pixels; ++i) {
    for (Index j = 0; j < pixels; ++j)
      result.covariance(i, j) = statistics.lags(std::abs(i / block - j / block), std::abs(i % block - j % block));
  }
  return result;
}

Matrix AffineDecoder::decode(const MatrixRef& phi, const MatrixRef& y) const {
  const Vector offset = mean - gain * (phi * mean);
  return (y * gain.transpose()).rowwise() + offset.transpose();
}

double least_variance(const MatrixRef& phi, const BlockStatistics& statistics, double noise) {
  // Where there is no noise, rounding is: images of one grey have no covariance, but for that.
  const double grey = (phi * statistics.mean).squaredNorm() / static_cast<double>(phi.rows());
  return std::max({noise * noise, 1e-13 * grey, std::numeric_limits<double>::min()});
}

Matrix measured_covariance_root(const MatrixRef& phi, const BlockStatistics& statistics, Index rows, Index cols,
                                double noise) {
  return root_of(Masked(phi, statistics, rows, cols, noise), least_variance(phi, statistics, noise));
}

namespace {

AffineDecoder decoder_of(const Masked& masked, const BlockStatistics& statistics, double least) {
  const Matrix root = root_of(masked, least);
  Matrix gain = masked.cross.transpose();
  root.triangularView<Eigen::Lower>().solveInPlace(gain);
  root.transpose().triangularView<Eigen::Upper>().solveInPlace(gain);
  return {statistics.mean.cwiseProduct(masked.inside), gain.transpose()};
}

}  // namespace

AffineDecoder lmmse(const MatrixRef& phi, const BlockStatistics& statistics, Index rows, Index cols, double noise) {
  return decoder_of(Masked(phi, statistics, rows, cols, noise), statistics, least_variance(phi, statistics, noise));
}

AffineDecoder lmmse(const MatrixRef& phi, const BlockStatistics& statistics) {
  return decoder_of(Masked(phi, statistics, Vector::Ones(statistics.mean.size())), statistics,
                    least_variance(phi, statistics, 0));
}

}  // namespace unrect
