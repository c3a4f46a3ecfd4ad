#include "unrect/sensing/wiener.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <bit>
#include <cmath>
#include <complex>
#include <numbers>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/fourier.hpp"

namespace unrect {
namespace {

using Complex = std::complex<double>;
using ComplexMatrix = MatrixOf<Complex>;

// X ↦ F_rows X F_colsᵀ, unscaled, and back.
class Fft2d {
 public:
  Fft2d(Index rows, Index cols) : down_(rows), across_(cols) {}

  Index rows() const { return down_.size(); }
  Index cols() const { return across_.size(); }
  ComplexMatrix forward(const MatrixRef& image) const {
    ComplexMatrix x = ComplexMatrix::Zero(rows(), cols());
    x.topLeftCorner(image.rows(), image.cols()) = image.cast<Complex>();
    for (Index i = 0; i < image.rows(); ++i) across_.forward(x.row(i).data());
    for_each_column(x, [&](Complex* column) { down_.forward(column); });
    return x;
  }
  // The first height × width of the real part.
  Matrix inverse(ComplexMatrix x, Index height, Index width) const {
    for_each_column(x, [&](Complex* column) { down_.inverse(column); });
    for (Index i = 0; i < height; ++i) across_.inverse(x.row(i).data());
    return x.topLeftCorner(height, width).real() / static_cast<double>(x.size());
  }

 private:
  template <class Transform>
  static void for_each_column(ComplexMatrix& x, const Transform& transform) {
    VectorOf<Complex> column(x.rows());
    for (Index j = 0; j < x.cols(); ++j) {
      column = x.col(j);
      transform(column.data());
      x.col(j) = column;
    }
  }

  Fft down_, across_;
};

Index power_of_2(Index least) { return static_cast<Index>(std::bit_ceil(static_cast<std::size_t>(least))); }

}  // namespace

PixelStatistics pixel_statistics(const std::vector<Image>& images, Index side) {
  UNRECT_REQUIRE(side >= 1, ErrorCode::kInvalidArgument, "covariances at {} lags, expected at least 1", side);
  double sum = 0, count = 0;
  for (const Image& image : images) {
    sum += image.sum();
    count += static_cast<double>(image.size());
  }
  UNRECT_REQUIRE(count > 0, ErrorCode::kInvalidArgument, "covariances of {} images, expected a pixel at least",
                 images.size());
  PixelStatistics result{sum / count, Matrix::Zero(side, side)};
  Matrix pairs = Matrix::Zero(side, side);
  for (const Image& image : images) {
    const Index rows = image.rows(), cols = image.cols();
    const Fft2d fft(power_of_2(rows + side - 1), power_of_2(cols + side - 1));
    const ComplexMatrix spectrum = fft.forward((image.array() - result.mean).matrix());
    const Matrix products = fft.inverse(spectrum.cwiseAbs2().cast<Complex>(), fft.rows(), fft.cols());
    for (Index i = 0; i < std::min(side, rows); ++i) {
      for (Index j = 0; j < std::min(side, cols); ++j) {
        // Down right and down left.
        result.lags(i, j) += 0.5 * (products(i, j) + products(i, (fft.cols() - j) % fft.cols()));
        pairs(i, j) += static_cast<double>((rows - i) * (cols - j));
      }
    }
  }
  result.lags = result.lags.cwiseQuotient(pairs.cwiseMax(1));
  return result;
}

struct StationaryCovariance::State {
  double level = 0;
  Fft2d fft;
  Matrix spectrum;  // of the rest, on a torus that is larger than the image by the lags

  State(Index rows, Index cols) : fft(rows, cols) {}
};

StationaryCovariance::StationaryCovariance(const PixelStatistics& statistics, Index height, Index width) {
  const Matrix& lags = statistics.lags;
  const Index side = lags.rows();
  UNRECT_REQUIRE(height >= 1 && width >= 1 && side >= 1 && lags.cols() == side, ErrorCode::kInvalidArgument,
                 "covariances at {} × {} lags for an image of {} × {}; expected a square of lags and a pixel", side,
                 lags.cols(), height, width);
  state_ = std::make_unique<State>(power_of_2(height + side - 1), power_of_2(width + side - 1));
  State& s = *state_;
  s.level = side > 1 ? std::max(0.0, 0.5 * (lags.row(side - 1).mean() + lags.col(side - 1).mean())) : 0;
  Matrix torus = Matrix::Zero(s.fft.rows(), s.fft.cols());
  const auto fade = [&](Index lag) {
    return 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(lag) / static_cast<double>(side)));
  };
  for (Index i = 1 - side; i < side; ++i) {
    for (Index j = 1 - side; j < side; ++j) {
      const Index down = std::abs(i), across = std::abs(j);
      torus((i + torus.rows()) % torus.rows(), (j + torus.cols()) % torus.cols()) =
          fade(down) * fade(across) * (lags(down, across) - s.level);
    }
  }
  s.spectrum = s.fft.forward(torus).real().cwiseMax(0);
}

StationaryCovariance::~StationaryCovariance() = default;
StationaryCovariance::StationaryCovariance(StationaryCovariance&&) noexcept = default;

Image StationaryCovariance::apply(const MatrixRef& image) const {
  const State& s = *state_;
  const ComplexMatrix product = s.fft.forward(image).cwiseProduct(s.spectrum.cast<Complex>());
  return s.fft.inverse(product, image.rows(), image.cols()).array() + s.level * image.sum();
}

struct Wiener::State {
  Index height, width, block;
  double mean, variance;  // σ² of the measurements
  StationaryCovariance covariance;
  LinearOperator sensing;                             // A
  std::vector<std::pair<BlockGroup, Matrix>> groups;  // blocks that are alike, and L of their own ΦCΦᵀ + σ²I = LLᵀ

  // A C Aᵀ + σ²I
  Matrix covariance_of(const Matrix& a) const {
    const Vector image = sensing.adjoint(Eigen::Map<const Vector>(a.data(), a.size()));
    const Image spread = covariance.apply(Eigen::Map<const Matrix>(image.data(), height, width));
    const Vector seen = sensing.apply(Eigen::Map<const Vector>(spread.data(), spread.size()));
    return Eigen::Map<const Matrix>(seen.data(), a.rows(), a.cols()) + variance * a;
  }
  Matrix preconditioned(const Matrix& r) const {
    Matrix z(r.rows(), r.cols());
    for (const auto& [group, root] : groups) {
      Matrix own = r(group.blocks, Eigen::all).transpose();
      root.triangularView<Eigen::Lower>().solveInPlace(own);
      root.transpose().triangularView<Eigen::Upper>().solveInPlace(own);
      z(group.blocks, Eigen::all) = own.transpose();
    }
    return z;
  }
};

Wiener::Wiener(Matrix phi, const PixelStatistics& statistics, Index height, Index width, double noise) {
  const Index block = block_side(phi.cols());
  UNRECT_REQUIRE(block >= 1 && noise >= 0 && std::isfinite(noise), ErrorCode::kInvalidArgument,
                 "operator of {} × {}, noise {}; expected a column for every pixel of a square block, noise ≥ 0",
                 phi.rows(), phi.cols(), noise);
  const BlockStatistics own = block_statistics(statistics, block);
  const double variance = least_variance(phi, own, noise);
  std::vector<std::pair<BlockGroup, Matrix>> groups;
  for (BlockGroup& group : block_groups(height, width, block)) {
    Matrix root = measured_covariance_root(phi, own, group.rows, group.cols, noise);
    groups.emplace_back(std::move(group), std::move(root));
  }
  LinearOperator sensing = block_sampling(LinearOperator(std::move(phi)), height, width, block);
  state_ = std::make_unique<State>(State{height, width, block, statistics.mean, variance,
                                         StationaryCovariance(statistics, height, width), std::move(sensing),
                                         std::move(groups)});
}

Wiener::~Wiener() = default;
Wiener::Wiener(Wiener&&) noexcept = default;

Image Wiener::operator()(const MatrixRef& y) const {
  const State& s = *state_;
  UNRECT_REQUIRE(y.size() == s.sensing.rows(), ErrorCode::kInvalidArgument, "{} measurements, expected {}", y.size(),
                 s.sensing.rows());
  constexpr int kMost = 60;
  constexpr double kEnough = 1e-3;
  const Vector grey = s.sensing.apply(Vector::Constant(s.height * s.width, s.mean));
  Matrix rest = y - Eigen::Map<const Matrix>(grey.data(), y.rows(), y.cols());
  const double enough = kEnough * rest.norm();
  Matrix alpha = Matrix::Zero(y.rows(), y.cols()), z = s.preconditioned(rest), direction = z;
  double square = rest.cwiseProduct(z).sum();
  for (int k = 0; k < kMost && rest.norm() > enough; ++k) {
    const Matrix image = s.covariance_of(direction);
    const double curvature = direction.cwiseProduct(image).sum();
    if (!(curvature > 0)) break;
    const double step = square / curvature;
    alpha += step * direction;
    rest -= step * image;
    z = s.preconditioned(rest);
    const double next = rest.cwiseProduct(z).sum();
    direction = z + next / square * direction;
    square = next;
  }
  const Vector back = s.sensing.adjoint(Eigen::Map<const Vector>(alpha.data(), alpha.size()));
  return s.covariance.apply(Eigen::Map<const Matrix>(back.data(), s.height, s.width)).array() + s.mean;
}

}  // namespace unrect
