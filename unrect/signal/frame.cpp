#include "unrect/signal/frame.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "unrect/base/error.hpp"
#include "unrect/signal/fourier.hpp"

namespace unrect {
namespace {

constexpr double kSpans = 1e-26;  // A / B below which rows do not span: singular values 10¹³ apart

void require_gabor(const Gabor& g) {
  UNRECT_REQUIRE(g.hop >= 1 && g.length >= 1 && g.length % g.hop == 0, ErrorCode::kInvalidArgument,
                 "Gabor frame of length {} and hop {}, expected a multiple of the hop", g.length, g.hop);
  UNRECT_REQUIRE(g.window.size() >= 1 && g.window.size() <= g.channels && g.channels <= g.length,
                 ErrorCode::kInvalidArgument,
                 "window of {} samples, {} channels, length {}: expected each at most the next", g.window.size(),
                 g.channels, g.length);
}

}  // namespace

FrameBounds frame_bounds(const MatrixRef& frame) {
  UNRECT_REQUIRE(frame.size() > 0, ErrorCode::kInvalidArgument, "frame of {} × {}, expected at least 1 × 1",
                 frame.rows(), frame.cols());
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(frame);
  const double least = frame.rows() < frame.cols() ? 0 : svd.singularValues().tail(1)(0);
  const double most = svd.singularValues()(0);
  return {least * least, most * most, 0};
}

FrameBounds frame_bounds(const LinearOperator& frame, Rng rng, Index steps) {
  const GramSpectrum spectrum = gram_spectrum(frame, rng, steps);
  return {spectrum.smallest, spectrum.largest, spectrum.error};
}

Matrix canonical_dual(const MatrixRef& frame) {
  UNRECT_REQUIRE(frame.size() > 0, ErrorCode::kInvalidArgument, "frame of {} × {}, expected at least 1 × 1",
                 frame.rows(), frame.cols());
  // F = U Σ Vᵀ gives F S⁻¹ = U Σ⁻¹ Vᵀ without squaring the condition.
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(frame, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Vector sigma = svd.singularValues();
  const double least = frame.rows() < frame.cols() ? 0 : sigma.tail(1)(0);
  UNRECT_REQUIRE(least > std::sqrt(kSpans) * sigma(0), ErrorCode::kInvalidArgument,
                 "{} vectors that do not span R^{}: singular values from {} to {}", frame.rows(), frame.cols(),
                 sigma(0), least);
  return svd.matrixU() * sigma.cwiseInverse().asDiagonal() * svd.matrixV().transpose();
}

Matrix other_dual(const MatrixRef& frame, const MatrixRef& free) {
  UNRECT_REQUIRE(free.rows() == frame.rows() && free.cols() == frame.cols(), ErrorCode::kInvalidArgument,
                 "free part of {} × {}, expected {} × {}", free.rows(), free.cols(), frame.rows(), frame.cols());
  const Matrix dual = canonical_dual(frame);
  return dual + free - frame * (dual.transpose() * free);
}

Vector reconstruct(const LinearOperator& frame, const VectorRef& coefficients, double tolerance, int max_iterations) {
  Vector residual = frame.adjoint(coefficients);
  Vector x = Vector::Zero(frame.cols()), direction = residual;
  double square = residual.squaredNorm();
  const double enough = tolerance * tolerance * square;
  for (int k = 0; k < max_iterations && square > enough; ++k) {
    const Vector image = frame.apply(direction);
    const double curvature = image.squaredNorm();
    if (curvature <= 0) break;
    const double step = square / curvature;
    x += step * direction;
    residual -= step * frame.adjoint(image);
    const double next = residual.squaredNorm();
    direction = residual + next / square * direction;
    square = next;
  }
  return x;
}

Matrix random_frame(Index count, Index dimension, Rng rng) {
  UNRECT_REQUIRE(count >= 1 && dimension >= 1, ErrorCode::kInvalidArgument,
                 "{} vectors in R^{}, expected at least 1 each", count, dimension);
  return rng.normal_matrix(count, dimension).rowwise().normalized();
}

LinearOperator gabor_frame(const Gabor& gabor) {
  gabor_weights(gabor);  // refuses what is no frame
  const LinearOperator transform = dft(gabor.channels);
  const Index hops = gabor.length / gabor.hop, support = gabor.window.size();
  const auto apply = [=](const MatrixRef& signals) {
    Matrix result(signals.rows(), hops * gabor.channels);
    for (Index i = 0; i < signals.rows(); ++i) {
      Matrix pieces = Matrix::Zero(hops, gabor.channels);
      for (Index n = 0; n < hops; ++n) {
        for (Index k = 0; k < support; ++k) {
          pieces(n, k) = gabor.window(k) * signals(i, (n * gabor.hop + k) % gabor.length);
        }
      }
      Eigen::Map<Matrix>(result.row(i).data(), hops, gabor.channels) = transform.apply_rows(pieces);
    }
    return result;
  };
  const auto adjoint = [=](const MatrixRef& coefficients) {
    Matrix result = Matrix::Zero(coefficients.rows(), gabor.length);
    for (Index i = 0; i < coefficients.rows(); ++i) {
      const Matrix pieces =
          transform.adjoint_rows(Eigen::Map<const Matrix>(coefficients.row(i).data(), hops, gabor.channels));
      for (Index n = 0; n < hops; ++n) {
        for (Index k = 0; k < support; ++k) {
          result(i, (n * gabor.hop + k) % gabor.length) += gabor.window(k) * pieces(n, k);
        }
      }
    }
    return result;
  };
  return {hops * gabor.channels, gabor.length, apply, adjoint};
}

Vector gabor_weights(const Gabor& gabor) {
  require_gabor(gabor);
  Vector weights = Vector::Zero(gabor.hop);
  for (Index k = 0; k < gabor.window.size(); ++k) weights(k % gabor.hop) += gabor.window(k) * gabor.window(k);
  Index gap = 0;
  UNRECT_REQUIRE(weights.minCoeff(&gap) > 0, ErrorCode::kInvalidArgument,
                 "no window reaches sample {} of every hop of {}", gap, gabor.hop);
  return weights;
}

Gabor gabor_dual(const Gabor& gabor) {
  const Vector weights = gabor_weights(gabor);
  Gabor dual = gabor;
  for (Index k = 0; k < dual.window.size(); ++k) dual.window(k) /= weights(k % gabor.hop);
  return dual;
}

Vector hann_window(Index size) {
  UNRECT_REQUIRE(size >= 1, ErrorCode::kInvalidArgument, "window of {} samples, expected at least 1", size);
  Vector window(size);
  for (Index k = 0; k < size; ++k) {
    const double s = std::sin(std::numbers::pi * (static_cast<double>(k) + 0.5) / static_cast<double>(size));
    window(k) = s * s;
  }
  return window;
}

LayerFrame layer_frame(const MatrixRef& weights, const std::vector<bool>& active) {
  UNRECT_REQUIRE(static_cast<Index>(active.size()) == weights.rows() && weights.cols() >= 1,
                 ErrorCode::kInvalidArgument, "{} flags for a layer of {} units on R^{}", active.size(), weights.rows(),
                 weights.cols());
  std::vector<Index> rows;
  for (std::size_t i = 0; i < active.size(); ++i) {
    if (active[i]) rows.push_back(static_cast<Index>(i));
  }
  LayerFrame result;
  if (rows.empty()) return result;
  const Matrix frame = weights(rows, Eigen::all);
  result.bounds = frame_bounds(frame);
  result.invertible = result.bounds.lower > kSpans * result.bounds.upper;
  if (result.invertible) result.inverse = canonical_dual(frame).transpose();
  return result;
}

}  // namespace unrect
