#include "unrect/train/internal/gauss_newton.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/lifted/chain.hpp"

namespace unrect {
namespace {

// λ over the curvature's own scale: where it starts (at a twentieth of that the first epochs gain more, but mini-batch
// noise has the last word), and its least.
constexpr double kFirstDamping = 20, kLeastDamping = 1e-5;
constexpr double kDampingStep = 0.95;
constexpr float kLeastShift = 1e-3F;  // of the mean diagonal: what single precision carries

using Map = Eigen::Map<FloatMatrix, 0, Eigen::OuterStride<>>;

// q of a cross-entropy: its ∂²f/∂y² is diag(q) − q qᵀ/Σq for every row, and q = ∂f/∂y + x.
FloatMatrix masses(const Loss& kind, const FloatRef& outputs, const FloatRef& targets) {
  FloatMatrix q(outputs.rows(), outputs.cols());
  loss<float>(kind, outputs, targets, q);
  return q + targets;
}

float mean_diagonal(const FloatMatrix& m) { return m.rows() == 1 ? m.mean() : m.diagonal().mean(); }

// (m + shift I)⁻¹; twice the shift, and again, until it is positive definite.
FloatMatrix shifted_inverse(const FloatMatrix& m, float shift) {
  for (;; shift *= 2) {
    FloatMatrix shifted = m;
    shifted.diagonal().array() += shift;
    const Eigen::LLT<FloatMatrix> cholesky(shifted);
    if (cholesky.info() == Eigen::Success || !(shift < 1e30F))
      return cholesky.solve(FloatMatrix::Identity(m.rows(), m.cols()));
  }
}

double inner(const FloatRef& a, const FloatRef& b) {
  double sum = 0;
  for (Index i = 0; i < a.rows(); ++i) sum += static_cast<double>(a.row(i).dot(b.row(i)));
  return sum;
}

}  // namespace

GaussNewton::GaussNewton(const Model& model, const Loss& loss, double decay)
    : model_(model), loss_(loss), decay_(decay), offsets_{0} {
  const Chain chain = to_chain(model.network());
  UNRECT_REQUIRE(chain.layers.size() == model.layers().size(), ErrorCode::kUnsupported,
                 "{} matrices with {} different weights; expected a chain whose matrices share none",
                 chain.layers.size(), model.layers().size());
  relu_output_ = chain.relu_output;
  for (int l = 0; l < layers(); ++l) {
    const Layer& own = layer(l);
    offsets_.push_back(offsets_.back() + own.cols * own.stride + (diagonal(l) ? 1 : own.rows) * padded(own.rows));
  }
  moments_ = FloatVector::Zero(moment_size());
  inverses_ = FloatVector::Zero(moment_size());
  half_ = direction_ = velocity_ = before_ = FloatVector::Zero(model.size());
}

FloatOut GaussNewton::inputs_in(float* buffer, int l) const {
  const Layer& own = layer(l);
  return Map(buffer + offsets_[static_cast<std::size_t>(l)], own.cols, own.cols, Eigen::OuterStride<>(own.stride));
}

FloatOut GaussNewton::outputs_in(float* buffer, int l) const {
  const Layer& own = layer(l);
  return Map(buffer + offsets_[static_cast<std::size_t>(l)] + own.cols * own.stride, diagonal(l) ? 1 : own.rows,
             own.rows, Eigen::OuterStride<>(padded(own.rows)));
}

void GaussNewton::moments(const Pass& pass, const FloatRef& outputs, const FloatRef& targets, float* into) const {
  for (int l = 0; l < layers(); ++l) {
    pass.gram(l, inputs_in(into, l));
    FloatOut h = outputs_in(into, l);
    const bool last = l + 1 == layers();
    // A ReLU's pattern; all ones without one.
    const FloatRef z = pass.value(layer(l).node);
    FloatMatrix d = FloatMatrix::Ones(z.rows(), z.cols());
    if (!last || relu_output_) d = (z.array() > 0.F).cast<float>().matrix();
    if (diagonal(l)) {
      h = d.colwise().sum();
    } else if (!last) {
      gemm(d, Transpose::kYes, d, Transpose::kNo, h);
    } else {
      const FloatMatrix q = masses(loss_, outputs, targets);
      const FloatVector mass = q.rowwise().sum().cwiseMax(1e-30F);
      d = q.cwiseProduct(d);
      const FloatMatrix scaled = mass.cwiseInverse().asDiagonal() * d;
      gemm(d, Transpose::kYes, scaled, Transpose::kNo, h, -1);
      h.diagonal() += d.colwise().sum().transpose();
    }
  }
}

void GaussNewton::update(int l, const FloatVector& sum, Index rows, Index k) {
  const float keep = std::min(0.95F, 1 - 1 / static_cast<float>(k));
  Eigen::Map<FloatVector> own(moments_.data() + offsets_[static_cast<std::size_t>(l)], sum.size());
  own = keep * own + (1 - keep) / static_cast<float>(rows) * sum;
}

void GaussNewton::invert(const float* weights, Team& team) {
  std::vector<FloatMatrix> curvature(static_cast<std::size_t>(layers()));
  for (int l = layers() - 1; l >= 0; --l) {
    FloatMatrix& h = curvature[static_cast<std::size_t>(l)];
    h = outputs_in(moments_.data(), l);
    if (l + 1 == layers()) continue;
    const FloatMatrix& above = curvature[static_cast<std::size_t>(l) + 1];
    const FloatRef w = layer(l + 1).in(weights).leftCols(layer(l + 1).cols - 1);
    FloatMatrix hw(w.rows(), w.cols()), seen(w.cols(), w.cols());
    if (diagonal(l + 1)) {
      hw = above.row(0).transpose().asDiagonal() * w;
    } else {
      gemm(above, Transpose::kNo, w, Transpose::kNo, hw);
    }
    gemm(w, Transpose::kYes, hw, Transpose::kNo, seen);
    h = h.cwiseProduct((seen + seen.transpose()) / 2);
  }
  std::vector<float> mean_c, mean_h;
  double scale = 0;
  for (int l = 0; l < layers(); ++l) {
    mean_c.push_back(std::max(mean_diagonal(inputs_in(moments_.data(), l)), 1e-30F));
    mean_h.push_back(std::max(mean_diagonal(curvature[static_cast<std::size_t>(l)]), 1e-30F));
    scale += static_cast<double>(mean_c.back() * mean_h.back()) / layers();
  }
  double& lambda = numbers_[kDamping];
  lambda = lambda == 0 ? kFirstDamping * scale : std::max(lambda, kLeastDamping * scale);
  const auto g = static_cast<float>(std::sqrt(lambda + decay_));
  team.run(2 * layers(), [&](int task) {
    const int l = task / 2;
    const FloatMatrix& h = curvature[static_cast<std::size_t>(l)];
    const float of_c = mean_c[static_cast<std::size_t>(l)], of_h = mean_h[static_cast<std::size_t>(l)];
    const float pi = std::sqrt(of_c / of_h);
    if (task % 2 == 0) {
      inputs_in(inverses_.data(), l) =
          shifted_inverse(inputs_in(moments_.data(), l), std::max(g * pi, kLeastShift * of_c));
      return;
    }
    const float shift = std::max(g / pi, kLeastShift * of_h);
    if (diagonal(l)) {
      outputs_in(inverses_.data(), l) = (h.array() + shift).inverse().matrix();
    } else {
      outputs_in(inverses_.data(), l) = shifted_inverse(h, shift);
    }
  });
}

void GaussNewton::scale_inputs(const Chunk& chunk, const float* gradient) {
  const Layer& own = layer(chunk.layer);
  gemm(own.in(gradient).middleRows(chunk.begin, chunk.rows), Transpose::kNo, inputs_in(inverses_.data(), chunk.layer),
       Transpose::kNo, own.in(half_.data()).middleRows(chunk.begin, chunk.rows));
}

void GaussNewton::scale_outputs(const Chunk& chunk) {
  const Layer& own = layer(chunk.layer);
  const FloatRef half = own.in(std::as_const(half_).data());
  const FloatOut inverse = outputs_in(inverses_.data(), chunk.layer);
  FloatOut d = own.in(direction_.data()).middleRows(chunk.begin, chunk.rows);
  if (diagonal(chunk.layer)) {
    d = -(inverse.row(0).segment(chunk.begin, chunk.rows).transpose().asDiagonal() *
          half.middleRows(chunk.begin, chunk.rows));
  } else {
    gemm(inverse.middleRows(chunk.begin, chunk.rows), Transpose::kNo, half, Transpose::kNo, d, -1);
  }
}

GaussNewton::Curvatures GaussNewton::curvatures(Pass& pass, const FloatRef& outputs, const FloatRef& targets,
                                                const float* weights) const {
  FloatMatrix q;
  if (loss_.kind == Loss::Kind::kCrossEntropy) q = masses(loss_, outputs, targets);
  const FloatMatrix u = pass.tangent(weights, direction_.data());
  const FloatRef v = pass.tangent(weights, velocity_.data());
  const auto form = [&](const FloatRef& a, const FloatRef& b) {
    if (q.size() == 0) return inner(a, b);
    double sum = 0;
    for (Index i = 0; i < a.rows(); ++i) {
      const auto row = q.row(i).array();
      const double mass = std::max(1e-30, static_cast<double>(row.sum()));
      sum += static_cast<double>((row * a.row(i).array() * b.row(i).array()).sum()) -
             static_cast<double>((row * a.row(i).array()).sum()) * static_cast<double>((row * b.row(i).array()).sum()) /
                 mass;
    }
    return sum;
  };
  return {form(u, u), form(u, v), form(v, v)};
}

GaussNewton::Products GaussNewton::products(const Chunk& chunk, const float* gradient) const {
  const Layer& own = layer(chunk.layer);
  const FloatRef g = own.in(gradient).middleRows(chunk.begin, chunk.rows);
  const FloatRef d = own.in(direction_.data()).middleRows(chunk.begin, chunk.rows);
  const FloatRef v = own.in(velocity_.data()).middleRows(chunk.begin, chunk.rows);
  const Index n = own.cols - 1;
  const double dd = inner(d.leftCols(n), d.leftCols(n)), dv = inner(d.leftCols(n), v.leftCols(n)),
               vv = inner(v.leftCols(n), v.leftCols(n));
  return {inner(g, d),
          inner(g, v),
          dd + inner(d.rightCols(1), d.rightCols(1)),
          dv + inner(d.rightCols(1), v.rightCols(1)),
          vv + inner(v.rightCols(1), v.rightCols(1)),
          dd,
          dv,
          vv};
}

void GaussNewton::plan(const Curvatures& curvatures, const Products& p, Index n) {
  const double share = 1 / static_cast<double>(n), lambda = numbers_[kDamping];
  const double plain[3] = {share * curvatures[0] + decay_ * p[5], share * curvatures[1] + decay_ * p[6],
                           share * curvatures[2] + decay_ * p[7]};
  const double a = plain[0] + lambda * p[2], b = plain[1] + lambda * p[3], c = plain[2] + lambda * p[4];
  const double det = a * c - b * b;
  double alpha = a > 0 ? -p[0] / a : 0, mu = 0;
  if (det > 1e-6 * a * c) {  // else D and V are one direction
    alpha = (b * p[1] - c * p[0]) / det;
    mu = (b * p[0] - a * p[1]) / det;
  }
  numbers_[kAlpha] = alpha;
  numbers_[kMomentum] = mu;
  numbers_[kPredicted] =
      -(alpha * p[0] + mu * p[1] + 0.5 * (alpha * alpha * plain[0] + 2 * alpha * mu * plain[1] + mu * mu * plain[2]));
}

void GaussNewton::apply(const Chunk& chunk, float* weights) {
  const Layer& own = layer(chunk.layer);
  const auto rows = [&](float* buffer) -> FloatOut { return own.in(buffer).middleRows(chunk.begin, chunk.rows); };
  rows(before_.data()) = rows(weights);
  rows(velocity_.data()) = static_cast<float>(numbers_[kAlpha]) * rows(direction_.data()) +
                           static_cast<float>(numbers_[kMomentum]) * rows(velocity_.data());
  rows(weights) += rows(velocity_.data());
}

void GaussNewton::take_back(const Chunk& chunk, float* weights) {
  const Layer& own = layer(chunk.layer);
  own.in(weights).middleRows(chunk.begin, chunk.rows) = own.in(before_.data()).middleRows(chunk.begin, chunk.rows);
  own.in(velocity_.data()).middleRows(chunk.begin, chunk.rows).setZero();
}

bool GaussNewton::judge(double decrease) {
  if (!(numbers_[kPredicted] > 0)) return true;  // nothing was asked for
  double& lambda = numbers_[kDamping];
  const double ratio = decrease / numbers_[kPredicted];
  if (!(ratio >= -0.5)) {
    lambda *= 4;
    return false;
  }
  if (ratio > 0.75) lambda *= kDampingStep;
  if (ratio < 0.25) lambda /= kDampingStep;
  return true;
}

}  // namespace unrect
