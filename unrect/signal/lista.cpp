#include "unrect/signal/lista.hpp"

#include <fmt/format.h>

#include "unrect/base/error.hpp"
#include "unrect/signal/operator.hpp"
#include "unrect/signal/sparse.hpp"

namespace unrect {
namespace {

void require(const std::vector<ListaPhase>& phases) {
  UNRECT_REQUIRE(!phases.empty(), ErrorCode::kInvalidArgument, "no phases, expected at least 1");
  const Index n = phases[0].from_signal.rows(), m = phases[0].from_signal.cols();
  for (const ListaPhase& p : phases) {
    UNRECT_REQUIRE(
        p.from_signal.rows() == n && p.from_signal.cols() == m && p.from_code.rows() == n && p.from_code.cols() == n &&
            p.threshold.size() == n && n >= 1 && m >= 1,
        ErrorCode::kInvalidArgument, "phase of {} × {} and {} × {}, {} thresholds: expected codes of {}, signals of {}",
        p.from_signal.rows(), p.from_signal.cols(), p.from_code.rows(), p.from_code.cols(), p.threshold.size(), n, m);
    UNRECT_REQUIRE(p.threshold.minCoeff() >= 0, ErrorCode::kInvalidArgument, "threshold {}, expected ≥ 0",
                   p.threshold.minCoeff());
  }
}

/// (V; −V): v and −v, one unit each.
Matrix with_signs(const Matrix& v) {
  Matrix twice(2 * v.rows(), v.cols());
  twice << v, -v;
  return twice;
}

}  // namespace

std::vector<ListaPhase> ista_phases(const MatrixRef& a, double lambda, int count, double step) {
  UNRECT_REQUIRE(count >= 1 && lambda > 0 && step >= 0, ErrorCode::kInvalidArgument,
                 "{} phases, λ = {}, step {}: expected at least 1, above 0, ≥ 0", count, lambda, step);
  if (step == 0) {
    const double square = gram_spectrum(LinearOperator(a), Rng(0), a.cols(), 1e-12).largest;
    UNRECT_REQUIRE(square > 0, ErrorCode::kInvalidArgument, "matrix of {} × {} is zero", a.rows(), a.cols());
    step = 1 / square;
  }
  const Matrix code = Matrix::Identity(a.cols(), a.cols()) - step * a.transpose() * a;
  const ListaPhase phase{step * a.transpose(), code, Vector::Constant(a.cols(), step * lambda)};
  return std::vector<ListaPhase>(static_cast<std::size_t>(count), phase);
}

Matrix lista_codes(const std::vector<ListaPhase>& phases, const MatrixRef& signals) {
  require(phases);
  UNRECT_REQUIRE(signals.cols() == phases[0].from_signal.cols(), ErrorCode::kInvalidArgument,
                 "signals of size {}, expected {}", signals.cols(), phases[0].from_signal.cols());
  Matrix codes = Matrix::Zero(signals.rows(), phases[0].from_code.rows());
  for (const ListaPhase& p : phases) {
    const Matrix v = signals * p.from_signal.transpose() + codes * p.from_code.transpose();
    const Matrix thresholds = p.threshold.transpose().replicate(signals.rows(), 1);
    codes = soft_threshold(v, thresholds.array());
  }
  return codes;
}

LayerChain lista_chain(const std::vector<ListaPhase>& phases) {
  require(phases);
  const Index n = phases[0].from_signal.rows(), m = phases[0].from_signal.cols();
  LayerChain chain;
  for (std::size_t l = 0; l <= phases.size(); ++l) {
    const bool first = l == 0, last = l == phases.size();
    // What the layer reads: (c₊, c₋, y₊, y₋) with c = c₊ − c₋, y = y₊ − y₋; at first y itself, c = 0.
    Matrix code(n, first ? m : 2 * n + 2 * m), signal(m, code.cols());
    code.setZero();
    signal.setZero();
    if (first) {
      signal.setIdentity();
    } else {
      code.leftCols(n).setIdentity();
      code.middleCols(n, n) = -Matrix::Identity(n, n);
      signal.middleCols(2 * n, m).setIdentity();
      signal.rightCols(m) = -Matrix::Identity(m, m);
    }
    if (last) {
      chain.weights.push_back(code);
      chain.biases.push_back(Vector::Zero(n));
      break;
    }
    const ListaPhase& p = phases[l];
    Matrix weights(2 * n + 2 * m, code.cols());
    weights << with_signs(p.from_signal * signal + p.from_code * code), with_signs(signal);
    Vector bias = Vector::Zero(2 * n + 2 * m);
    bias.head(2 * n) << -p.threshold, -p.threshold;
    chain.weights.push_back(std::move(weights));
    chain.biases.push_back(std::move(bias));
  }
  return chain;
}

}  // namespace unrect
