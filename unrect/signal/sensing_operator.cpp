#include "unrect/signal/sensing_operator.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/signal/fourier.hpp"

namespace unrect {
namespace {

void require_shape(Index rows, Index cols) {
  UNRECT_REQUIRE(rows >= 1 && cols >= 1, ErrorCode::kInvalidArgument,
                 "sensing operator of {} × {}, expected at least 1 × 1", rows, cols);
}

/// `count` of {0, …, size − 1} in increasing order, every subset alike.
std::vector<Index> draw_rows(Index count, Index size, Rng& rng) {
  require_shape(count, size);
  UNRECT_REQUIRE(count <= size, ErrorCode::kInvalidArgument, "{} orthonormal rows of size {}, expected at most {}",
                 count, size, size);
  std::vector<Index> all(static_cast<std::size_t>(size));
  std::iota(all.begin(), all.end(), Index{0});
  for (Index i = 0; i < count; ++i) {
    std::swap(all[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(i + rng.below(size - i))]);
  }
  all.resize(static_cast<std::size_t>(count));
  std::sort(all.begin(), all.end());
  return all;
}

Vector draw_signs(Index size, Rng& rng) {
  Vector signs(size);
  for (double& sign : signs) sign = rng.below(2) == 0 ? -1 : 1;
  return signs;
}

/// Random rows of `basis`ᵀ (coefficients of an orthonormal basis) after random signs.
LinearOperator partial(const LinearOperator& transform, Index rows, Rng rng) {
  const Index n = transform.cols();
  const std::vector<Index> kept = draw_rows(rows, n, rng);
  const Vector signs = draw_signs(n, rng);
  return {rows, n,
          [=](const MatrixRef& x) -> Matrix { return transform.apply_rows(x * signs.asDiagonal())(Eigen::all, kept); },
          [=](const MatrixRef& y) -> Matrix {
            Matrix full = Matrix::Zero(y.rows(), n);
            full(Eigen::all, kept) = y;
            return transform.adjoint_rows(full) * signs.asDiagonal();
          }};
}

Matrix fast_hadamard(const MatrixRef& samples) {
  Matrix x = samples / std::sqrt(static_cast<double>(samples.cols()));
  for (Index half = 1; half < x.cols(); half *= 2) {
    for (Index i = 0; i < x.rows(); ++i) {
      for (Index start = 0; start < x.cols(); start += 2 * half) {
        double* low = x.row(i).data() + start;
        for (Index k = 0; k < half; ++k) {
          const double a = low[k], b = low[half + k];
          low[k] = a + b;
          low[half + k] = a - b;
        }
      }
    }
  }
  return x;
}

}  // namespace

LinearOperator gaussian_operator(Index rows, Index cols, Rng rng) {
  require_shape(rows, cols);
  return LinearOperator(rng.normal_matrix(rows, cols) / std::sqrt(static_cast<double>(rows)));
}

LinearOperator bernoulli_operator(Index rows, Index cols, Rng rng) {
  require_shape(rows, cols);
  Matrix signs(rows, cols);
  for (Index i = 0; i < rows; ++i) signs.row(i) = draw_signs(cols, rng).transpose();
  return LinearOperator(signs / std::sqrt(static_cast<double>(rows)));
}

LinearOperator orthonormal_operator(Index rows, Index cols, Rng rng) {
  require_shape(rows, cols);
  UNRECT_REQUIRE(rows <= cols, ErrorCode::kInvalidArgument, "{} orthonormal rows of size {}, expected at most {}", rows,
                 cols, cols);
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(rng.normal_matrix(rows, cols).transpose());
  Matrix q = (qr.householderQ() * Eigen::MatrixXd::Identity(cols, rows)).transpose();
  // With R's diagonal positive this is what Gram and Schmidt would find: unique.
  for (Index i = 0; i < rows; ++i) q.row(i) *= qr.matrixQR()(i, i) < 0 ? -1 : 1;
  return LinearOperator(std::move(q));
}

LinearOperator hadamard_operator(Index rows, Index cols, Rng rng) {
  require_shape(rows, cols);
  UNRECT_REQUIRE(std::has_single_bit(static_cast<std::size_t>(cols)), ErrorCode::kInvalidArgument,
                 "Hadamard matrix of size {}, expected a power of 2", cols);
  return partial({cols, cols, fast_hadamard, fast_hadamard}, rows, rng);
}

LinearOperator partial_dct_operator(Index rows, Index cols, Rng rng) {
  require_shape(rows, cols);
  return partial(dct(cols), rows, rng);
}

LinearOperator partial_fourier_operator(Index rows, Index cols, Rng rng) {
  require_shape(rows, cols);
  return partial(dft(cols), rows, rng);
}

LinearOperator read_operator(const std::filesystem::path& path) {
  return LinearOperator(read_npy(path).to_matrix(path.string()));
}

void write_operator(const std::filesystem::path& path, const LinearOperator& a) {
  write_npy(path, Array::from(a.to_matrix()));
}

Matrix add_noise(const MatrixRef& y, double sigma, Rng rng) {
  UNRECT_REQUIRE(sigma >= 0 && std::isfinite(sigma), ErrorCode::kInvalidArgument, "noise of σ = {}, expected ≥ 0",
                 sigma);
  return y + sigma * rng.normal_matrix(y.rows(), y.cols());
}

Matrix quantize(const MatrixRef& y, double step) {
  UNRECT_REQUIRE(step > 0 && std::isfinite(step), ErrorCode::kInvalidArgument, "quantisation step {}, expected > 0",
                 step);
  return ((y / step).array().floor() + 0.5) * step;
}

}  // namespace unrect
