#include "unrect/signal/wavelet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

Vector detail_filter(const Vector& h) {
  Vector g(h.size());
  for (Index k = 0; k < h.size(); ++k) g(k) = (k % 2 == 0 ? 1 : -1) * h(h.size() - 1 - k);
  return g;
}

/// One level down the columns of x: a row is one sample of all signals, so whole rows are added.
void analyze(const MatrixRef& x, const Vector& h, const Vector& g, Matrix& out) {
  const Index n = x.rows(), half = n / 2;
  out.setZero(n, x.cols());
  for (Index i = 0; i < half; ++i) {
    for (Index k = 0; k < h.size(); ++k) {
      const Index from = (2 * i + k) % n;
      out.row(i) += h(k) * x.row(from);
      out.row(half + i) += g(k) * x.row(from);
    }
  }
}

void synthesize(const MatrixRef& x, const Vector& h, const Vector& g, Matrix& out) {
  const Index n = x.rows(), half = n / 2;
  out.setZero(n, x.cols());
  for (Index i = 0; i < half; ++i) {
    for (Index k = 0; k < h.size(); ++k) out.row((2 * i + k) % n) += h(k) * x.row(i) + g(k) * x.row(half + i);
  }
}

void require_levels(Index length, Index levels) {
  UNRECT_REQUIRE(levels >= 0 && levels < 62 && length >= 1 && length % (Index{1} << levels) == 0,
                 ErrorCode::kInvalidArgument, "{} wavelet levels of length {}, expected a multiple of 2^{}", levels,
                 length, levels);
}

Matrix image_transform(const MatrixRef& images, Index height, Index width, const Vector& h, const Vector& g,
                       Index levels, bool forward) {
  Matrix result = images;
  constexpr Index kBand = 16;  // rows are turned a few at a time: a whole image would leave the cache
  Matrix part, done, turned;
  for (Index i = 0; i < images.rows(); ++i) {
    Eigen::Map<Matrix> image(result.row(i).data(), height, width);
    for (Index step = 0; step < levels; ++step) {
      const Index level = forward ? step : levels - 1 - step;
      const Index rows = height >> level, cols = width >> level;
      const auto& run = forward ? analyze : synthesize;
      run(image.topLeftCorner(rows, cols), h, g, done);
      for (Index top = 0; top < rows; top += kBand) {
        const Index count = std::min(kBand, rows - top);
        part = done.middleRows(top, count).transpose();
        run(part, h, g, turned);
        image.block(top, 0, count, cols) = turned.transpose();
      }
    }
  }
  return result;
}

/// y_i = Σ_k f_k x_{i + gap k} down the columns, or its adjoint, added to `out`.
void filter(const MatrixRef& x, const Vector& f, Index gap, bool adjoint,
            Eigen::Ref<Matrix, 0, Eigen::OuterStride<>> out) {
  const Index n = x.rows();
  for (Index i = 0; i < n; ++i) {
    for (Index k = 0; k < f.size(); ++k) {
      const Index other = (i + gap * k) % n;
      if (adjoint) {
        out.row(other) += f(k) * x.row(i);
      } else {
        out.row(i) += f(k) * x.row(other);
      }
    }
  }
}

Matrix filtered(const MatrixRef& x, const Vector& down, const Vector& across, Index gap, bool adjoint) {
  Matrix columns = Matrix::Zero(x.rows(), x.cols());
  filter(x, down, gap, adjoint, columns);
  Matrix turned = columns.transpose();
  Matrix rows = Matrix::Zero(turned.rows(), turned.cols());
  filter(turned, across, gap, adjoint, rows);
  return rows.transpose();
}

}  // namespace

Vector scaling_filter(Wavelet wavelet) {
  const double root2 = std::sqrt(2.0), root3 = std::sqrt(3.0), root10 = std::sqrt(10.0);
  const double r = std::sqrt(5 + 2 * root10);
  switch (wavelet) {
    case Wavelet::kHaar:
      return Vector::Constant(2, 1 / root2);
    case Wavelet::kDaubechies4:
      return Vector{{1 + root3, 3 + root3, 3 - root3, 1 - root3}} / (4 * root2);
    case Wavelet::kDaubechies6:
      return Vector{{1 + root10 + r, 5 + root10 + 3 * r, 10 - 2 * root10 + 2 * r, 10 - 2 * root10 - 2 * r,
                     5 + root10 - 3 * r, 1 + root10 - r}} /
             (16 * root2);
    case Wavelet::kDaubechies8:
      return Vector{{0.23037781330889692, 0.71484657055291567, 0.6308807679298587, -0.02798376941686017,
                     -0.18703481171909311, 0.030841381835560882, 0.03288301166688521, -0.010597401785069054}};
  }
  UNRECT_REQUIRE(false, ErrorCode::kInvalidArgument, "wavelet {}, expected 2, 4, 6 or 8 taps",
                 static_cast<int>(wavelet));
}

Index most_levels(Index length) {
  Index levels = 0;
  while (length > 0 && length % 2 == 0) {
    length /= 2;
    ++levels;
  }
  return levels;
}

LinearOperator wavelet_1d(Index n, Wavelet wavelet, Index levels) {
  require_levels(n, levels);
  const Vector h = scaling_filter(wavelet), g = detail_filter(h);
  const auto run = [=](const MatrixRef& samples, bool forward) -> Matrix {
    Matrix x = samples.transpose();
    Matrix done;
    for (Index step = 0; step < levels; ++step) {
      const Index length = n >> (forward ? step : levels - 1 - step);
      (forward ? analyze : synthesize)(x.topRows(length), h, g, done);
      x.topRows(length) = done;
    }
    return x.transpose();
  };
  return {n, n, [run](const MatrixRef& x) { return run(x, true); },
          [run](const MatrixRef& y) { return run(y, false); }};
}

LinearOperator wavelet_2d(Index height, Index width, Wavelet wavelet, Index levels) {
  require_levels(height, levels);
  require_levels(width, levels);
  const Vector h = scaling_filter(wavelet), g = detail_filter(h);
  return {height * width, height * width,
          [=](const MatrixRef& x) { return image_transform(x, height, width, h, g, levels, true); },
          [=](const MatrixRef& y) { return image_transform(y, height, width, h, g, levels, false); }};
}

LinearOperator undecimated_wavelet(Index height, Index width, Wavelet wavelet, Index levels) {
  UNRECT_REQUIRE(levels >= 1 && levels < 62 && (Index{1} << levels) <= std::min(height, width),
                 ErrorCode::kInvalidArgument, "{} undecimated levels of a {} × {} image, expected 2^levels to fit",
                 levels, height, width);
  // Without dropping samples every filter pair has twice the energy.
  const Vector h = scaling_filter(wavelet) / std::sqrt(2.0), g = detail_filter(h);
  const Index size = height * width;
  const auto apply = [=](const MatrixRef& images) {
    Matrix result(images.rows(), (3 * levels + 1) * size);
    for (Index i = 0; i < images.rows(); ++i) {
      const auto band = [&](Index k) { return Eigen::Map<Matrix>(result.row(i).data() + k * size, height, width); };
      Matrix coarse = Eigen::Map<const Matrix>(images.row(i).data(), height, width);
      for (Index level = 0; level < levels; ++level) {
        const Index gap = Index{1} << level;
        band(3 * level) = filtered(coarse, h, g, gap, false);
        band(3 * level + 1) = filtered(coarse, g, h, gap, false);
        band(3 * level + 2) = filtered(coarse, g, g, gap, false);
        coarse = filtered(coarse, h, h, gap, false);
      }
      band(3 * levels) = coarse;
    }
    return result;
  };
  const auto adjoint = [=](const MatrixRef& bands) {
    Matrix result(bands.rows(), size);
    for (Index i = 0; i < bands.rows(); ++i) {
      const auto band = [&](Index k) {
        return Eigen::Map<const Matrix>(bands.row(i).data() + k * size, height, width);
      };
      Matrix coarse = band(3 * levels);
      for (Index level = levels - 1; level >= 0; --level) {
        const Index gap = Index{1} << level;
        const Matrix next = filtered(coarse, h, h, gap, true) + filtered(band(3 * level), h, g, gap, true) +
                            filtered(band(3 * level + 1), g, h, gap, true) +
                            filtered(band(3 * level + 2), g, g, gap, true);
        coarse = next;
      }
      Eigen::Map<Matrix>(result.row(i).data(), height, width) = coarse;
    }
    return result;
  };
  return {(3 * levels + 1) * size, size, apply, adjoint};
}

}  // namespace unrect
