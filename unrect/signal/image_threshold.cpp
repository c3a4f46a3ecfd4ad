#include "unrect/signal/image_threshold.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/dictionary.hpp"
#include "unrect/signal/fourier.hpp"
#include "unrect/signal/greedy.hpp"

namespace unrect {
namespace {

/// Index of a half-sample symmetric extension: … 1 0 | 0 1 … n−1 | n−1 n−2 …
Index mirrored(Index i, Index n) {
  if (i < 0) i = -1 - i;
  return i < n ? i : 2 * n - 1 - i;
}

void require_image(const Matrix& image, Index height, Index width) {
  UNRECT_REQUIRE(image.rows() == height && image.cols() == width, ErrorCode::kInvalidArgument,
                 "image of {} × {}, expected {} × {}", image.rows(), image.cols(), height, width);
}

class PatchDct {
 public:
  PatchDct(Index height, Index width, Index patch, Index shifts);

  Matrix operator()(const Matrix& image, double threshold, Rng& rng);

 private:
  void add_shift(const Matrix& image, double threshold, Index down, Index across);

  Index height_, width_, patch_, shifts_;
  Matrix dct_;           // patch × patch
  Matrix grid_, line_;   // the shifted, mirrored image
  Matrix sum_, weight_;  // height × width
};

PatchDct::PatchDct(Index height, Index width, Index patch, Index shifts)
    : height_(height), width_(width), patch_(patch), shifts_(shifts) {
  UNRECT_REQUIRE(patch >= 2 && patch <= std::min(height, width), ErrorCode::kInvalidArgument,
                 "patches of {} in an image of {} × {}, expected 2 … {}", patch, height, width,
                 std::min(height, width));
  UNRECT_REQUIRE(shifts >= 1, ErrorCode::kInvalidArgument, "{} shifts, expected at least 1", shifts);
  dct_ = dct_matrix(patch);
  const auto covering = [patch](Index n) { return (n + 2 * patch - 2) / patch * patch; };
  grid_.resize(covering(height), covering(width));
}

void PatchDct::add_shift(const Matrix& image, double threshold, Index down, Index across) {
  const Index rows = grid_.rows(), cols = grid_.cols();
  for (Index i = 0; i < rows; ++i) {
    const auto line = image.row(std::clamp<Index>(mirrored(i - down, height_), 0, height_ - 1));
    for (Index j = 0; j < across; ++j) grid_(i, j) = line(mirrored(j - across, width_));
    grid_.row(i).segment(across, width_) = line;
    for (Index j = across + width_; j < cols; ++j) {
      grid_(i, j) = line(std::clamp<Index>(mirrored(j - across, width_), 0, width_ - 1));
    }
  }
  // Rows of all patches at once, columns a row of patches at a time.
  Eigen::Map<Matrix> pieces(grid_.data(), grid_.size() / patch_, patch_);
  line_.noalias() = pieces * dct_.transpose();
  pieces = line_;
  for (Index top = 0; top < rows; top += patch_) {
    line_.noalias() = dct_ * grid_.middleRows(top, patch_);
    for (Index left = 0; left < cols; left += patch_) {
      Eigen::Block<Matrix> coefficients = line_.block(0, left, patch_, patch_);
      const double mean = coefficients(0, 0);
      const Eigen::Array<bool, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> large =
          coefficients.array().abs() > threshold;
      const double weight = 1 / static_cast<double>(1 + large.count());
      coefficients.array() *= large.cast<double>() * weight;
      coefficients(0, 0) = mean * weight;
      // The weights themselves, where the patch lies in the image.
      const Index first_row = std::max<Index>(0, top - down), last_row = std::min(height_, top - down + patch_);
      const Index first_col = std::max<Index>(0, left - across), last_col = std::min(width_, left - across + patch_);
      if (first_row < last_row && first_col < last_col) {
        weight_.block(first_row, first_col, last_row - first_row, last_col - first_col).array() += weight;
      }
    }
    grid_.middleRows(top, patch_).noalias() = dct_.transpose() * line_;
  }
  line_.noalias() = pieces * dct_;
  const Eigen::Map<const Matrix> back(line_.data(), rows, cols);
  sum_ += back.block(down, across, height_, width_);
}

Matrix PatchDct::operator()(const Matrix& image, double threshold, Rng& rng) {
  require_image(image, height_, width_);
  sum_ = Matrix::Zero(height_, width_);
  weight_ = Matrix::Zero(height_, width_);
  for (Index k = 0; k < shifts_; ++k) {
    const Index down = rng.below(patch_), across = rng.below(patch_);
    add_shift(image, threshold, down, across);
  }
  return sum_.cwiseQuotient(weight_);
}

/// The periodic image moved down and to the right.
Matrix rolled(const MatrixRef& image, Index down, Index across) {
  const Index h = image.rows(), w = image.cols();
  Matrix result(h, w);
  for (Index i = 0; i < h; ++i) {
    auto line = result.row((i + down) % h);
    line.head(across) = image.row(i).tail(across);
    line.tail(w - across) = image.row(i).head(w - across);
  }
  return result;
}

}  // namespace

ImageThreshold patch_threshold(Index height, Index width, Index patch, Index shifts) {
  return PatchDct(height, width, patch, shifts);
}

ImageThreshold wavelet_threshold(Index height, Index width, Wavelet wavelet, Index levels, Index shifts) {
  UNRECT_REQUIRE(shifts >= 1, ErrorCode::kInvalidArgument, "{} shifts, expected at least 1", shifts);
  const LinearOperator basis = wavelet_2d(height, width, wavelet, levels);
  return [=](const Matrix& image, double threshold, Rng& rng) -> Matrix {
    require_image(image, height, width);
    Matrix sum = Matrix::Zero(height, width);
    for (Index k = 0; k < shifts; ++k) {
      const Index down = rng.below(height), across = rng.below(width);
      const Matrix shifted = rolled(image, down, across);
      Vector code = basis.apply(Eigen::Map<const Vector>(shifted.data(), shifted.size()));
      Eigen::Map<Matrix> coefficients(code.data(), height, width);
      const Matrix coarse = coefficients.topLeftCorner(height >> levels, width >> levels);
      coefficients = (coefficients.array().abs() > threshold).select(coefficients, 0.0);
      coefficients.topLeftCorner(height >> levels, width >> levels) = coarse;
      code = basis.adjoint(code);
      sum += rolled(Eigen::Map<const Matrix>(code.data(), height, width), (height - down) % height,
                    (width - across) % width);
    }
    return sum / static_cast<double>(shifts);
  };
}

ImageThreshold dictionary_threshold(Index height, Index width, const MatrixRef& atoms, Index shifts) {
  const Index patch = block_side(atoms.cols());
  UNRECT_REQUIRE(patch >= 2 && patch <= std::min(height, width) && shifts >= 1, ErrorCode::kInvalidArgument,
                 "atoms of {} pixels, {} shifts, image of {} × {}: expected a square of 4 to as many as fit, 1 shift",
                 atoms.cols(), shifts, height, width);
  const Index rows = (height + 2 * patch - 2) / patch * patch, cols = (width + 2 * patch - 2) / patch * patch;
  const Index most = std::min(atoms.rows(), std::max<Index>(1, patch * patch / 4));
  return [=, dictionary = Matrix(atoms), omp = Omp(atoms.transpose())](const Matrix& image, double threshold,
                                                                       Rng& rng) -> Matrix {
    require_image(image, height, width);
    Matrix sum = Matrix::Zero(height, width), weights = sum, grid(rows, cols), parts(rows, cols);
    for (Index shift = 0; shift < shifts; ++shift) {
      const Index down = rng.below(patch), across = rng.below(patch);
      const auto within = [](Index i, Index n) { return std::clamp<Index>(mirrored(i, n), 0, n - 1); };
      for (Index i = 0; i < rows; ++i) {
        for (Index j = 0; j < cols; ++j) grid(i, j) = image(within(i - down, height), within(j - across, width));
      }
      const Matrix plain = image_patches(grid, patch, patch);
      const double left = threshold * static_cast<double>(patch) / 3;
      const Matrix codes = omp.solve_rows(plain, {.sparsity = most, .tolerance = left});
      const Matrix change = codes * dictionary - plain;
      for (Index k = 0; k < plain.rows(); ++k) {
        const Index top = k / (cols / patch) * patch, first = k % (cols / patch) * patch;
        const double weight = 1 / static_cast<double>(1 + (codes.row(k).array() != 0).count());
        const Eigen::Map<const Matrix> moved(change.row(k).data(), patch, patch);
        grid.block(top, first, patch, patch) = weight * (grid.block(top, first, patch, patch) + moved);
        parts.block(top, first, patch, patch).setConstant(weight);
      }
      sum += grid.block(down, across, height, width);
      weights += parts.block(down, across, height, width);
    }
    return sum.cwiseQuotient(weights);
  };
}

}  // namespace unrect
