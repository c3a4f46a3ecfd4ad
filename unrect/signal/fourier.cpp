#include "unrect/signal/fourier.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <numbers>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

using Complex = std::complex<double>;
constexpr double kPi = std::numbers::pi;

// Written out: the operator of std::complex checks for NaN and does not vectorise.
Complex times(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

}  // namespace

Fft::Fft(Index n) : n_(n), padded_(n) {
  UNRECT_REQUIRE(n >= 1, ErrorCode::kInvalidArgument, "transform of length {}, expected at least 1", n);
  const auto length = static_cast<std::size_t>(n);
  const bool direct = std::has_single_bit(length);
  if (!direct) padded_ = static_cast<Index>(std::bit_ceil(2 * length - 1));
  const auto padded = static_cast<std::size_t>(padded_);
  reversed_.resize(padded);
  for (std::size_t i = 1; i < padded; ++i) {
    reversed_[i] = reversed_[i / 2] / 2 + (i % 2 == 1 ? padded_ / 2 : 0);
  }
  root_.resize(padded / 2);
  for (std::size_t k = 0; k < padded / 2; ++k) {
    root_[k] = std::polar(1.0, -2 * kPi * static_cast<double>(k) / static_cast<double>(padded));
  }
  if (direct) return;
  chirp_.resize(length);
  kernel_.assign(padded, 0);
  for (std::size_t k = 0; k < length; ++k) {
    const std::size_t square = k * k % (2 * length);  // the angle modulo 2π, before it is rounded
    chirp_[k] = std::polar(1.0, -kPi * static_cast<double>(square) / static_cast<double>(length));
    kernel_[k] = std::conj(chirp_[k]);
    kernel_[(padded - k) % padded] = kernel_[k];
  }
  radix2(kernel_.data());
}

void Fft::radix2(Complex* x) const {
  for (Index i = 0; i < padded_; ++i) {
    const Index j = reversed_[static_cast<std::size_t>(i)];
    if (i < j) std::swap(x[i], x[j]);
  }
  for (Index half = 1; half < padded_; half *= 2) {
    const Index stride = padded_ / (2 * half);
    for (Index start = 0; start < padded_; start += 2 * half) {
      for (Index k = 0; k < half; ++k) {
        const Complex odd = times(root_[static_cast<std::size_t>(k * stride)], x[start + half + k]);
        x[start + half + k] = x[start + k] - odd;
        x[start + k] += odd;
      }
    }
  }
}

void Fft::forward(Complex* x) const {
  if (chirp_.empty()) {
    radix2(x);
    return;
  }
  // jk = (j² + k² − (k − j)²) / 2 makes the sum a convolution with the chirp.
  const auto n = static_cast<std::size_t>(n_);
  std::vector<Complex> work(static_cast<std::size_t>(padded_));
  for (std::size_t k = 0; k < n; ++k) work[k] = times(x[k], chirp_[k]);
  radix2(work.data());
  for (std::size_t k = 0; k < work.size(); ++k) work[k] = std::conj(times(work[k], kernel_[k]));
  radix2(work.data());
  const double scale = 1 / static_cast<double>(padded_);
  for (std::size_t k = 0; k < n; ++k) x[k] = times(std::conj(work[k]) * scale, chirp_[k]);
}

void Fft::inverse(Complex* x) const {
  for (Index k = 0; k < n_; ++k) x[k] = std::conj(x[k]);
  forward(x);
  for (Index k = 0; k < n_; ++k) x[k] = std::conj(x[k]);
}

namespace {

// The map of samples, one a row, that writes a row into n complex numbers, transforms these, and reads a row off them.
template <class Write, class Transform, class Read>
LinearOperator::RowMap through_complex(Index n, Write write, Transform transform, Read read) {
  return [=](const MatrixRef& samples) {
    Matrix result(samples.rows(), n);
    std::vector<Complex> x(static_cast<std::size_t>(n));
    for (Index i = 0; i < samples.rows(); ++i) {
      write(samples.row(i), x.data());
      transform(x.data());
      read(x.data(), result.row(i));
    }
    return result;
  };
}

}  // namespace

LinearOperator dft(Index n) {
  const Fft fft(n);
  const double one = 1 / std::sqrt(static_cast<double>(n));
  const double two = std::sqrt(2.0) * one;
  const auto is_single = [n](Index k) { return k == 0 || 2 * k == n; };
  const auto apply = through_complex(
      n,
      [n](const auto& row, Complex* x) {
        for (Index j = 0; j < n; ++j) x[j] = row(j);
      },
      [fft](Complex* x) { fft.forward(x); },
      [=](const Complex* x, auto row) {
        for (Index k = 0; 2 * k <= n; ++k) {
          row(k) = (is_single(k) ? one : two) * x[k].real();
          if (!is_single(k)) row(n - k) = two * x[k].imag();
        }
      });
  const auto adjoint = through_complex(
      n,
      [=](const auto& row, Complex* x) {
        for (Index k = 0; 2 * k <= n; ++k) {
          x[k] = is_single(k) ? Complex(one * row(k)) : 0.5 * two * Complex(row(k), row(n - k));
          if (!is_single(k)) x[n - k] = std::conj(x[k]);
        }
      },
      [fft](Complex* x) { fft.inverse(x); },
      [n](const Complex* x, auto row) {
        for (Index j = 0; j < n; ++j) row(j) = x[j].real();
      });
  return {n, n, apply, adjoint};
}

Matrix dct_matrix(Index n) {
  UNRECT_REQUIRE(n >= 1, ErrorCode::kInvalidArgument, "transform of length {}, expected at least 1", n);
  Matrix c(n, n);
  const double size = static_cast<double>(n);
  for (Index k = 0; k < n; ++k) {
    const double scale = std::sqrt((k == 0 ? 1 : 2) / size);
    for (Index j = 0; j < n; ++j) {
      const Index angle = (2 * j + 1) * k % (4 * n);  // in units of π / 2n, before it is rounded
      c(k, j) = scale * std::cos(kPi * static_cast<double>(angle) / (2 * size));
    }
  }
  return c;
}

LinearOperator dct(Index n) {
  constexpr Index kDirect = 128;  // up to here a product with the matrix is as fast
  if (n <= kDirect) return LinearOperator(dct_matrix(n));
  // Makhoul 1980: the DFT of (x_0, x_2, x_4, …, x_5, x_3, x_1), turned by quarter samples.
  const Fft fft(n);
  const auto place = [n](Index j) { return j % 2 == 0 ? j / 2 : n - 1 - j / 2; };
  std::vector<Complex> turn(static_cast<std::size_t>(n));
  for (Index k = 0; k < n; ++k) {
    const double size = static_cast<double>(n);
    turn[static_cast<std::size_t>(k)] =
        std::polar(std::sqrt((k == 0 ? 1 : 2) / size), -kPi * static_cast<double>(k) / (2 * size));
  }
  const auto apply = through_complex(
      n,
      [=](const auto& row, Complex* x) {
        for (Index j = 0; j < n; ++j) x[place(j)] = row(j);
      },
      [fft](Complex* x) { fft.forward(x); },
      [=](const Complex* x, auto row) {
        for (Index k = 0; k < n; ++k) row(k) = times(x[k], turn[static_cast<std::size_t>(k)]).real();
      });
  const auto adjoint = through_complex(
      n,
      [=](const auto& row, Complex* x) {
        for (Index k = 0; k < n; ++k) x[k] = std::conj(turn[static_cast<std::size_t>(k)]) * row(k);
      },
      [fft](Complex* x) { fft.inverse(x); },
      [=](const Complex* x, auto row) {
        for (Index j = 0; j < n; ++j) row(j) = x[place(j)].real();
      });
  return {n, n, apply, adjoint};
}

LinearOperator dct_2d(Index height, Index width) { return separable(dct(height), dct(width)); }

}  // namespace unrect
