#include "unrect/bounds/internal/dual_ascent.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/internal/at.hpp"

namespace unrect {
namespace {

// Adam (Kingma and Ba 2015), uphill.
constexpr double kFirst = 0.9, kSecond = 0.999, kTiny = 1e-8;

struct Momentum {
  Matrix first, second;

  // The step for these gradients, in them.
  void turn(Matrix& gradient, double rate, int step) {
    if (first.size() == 0) {
      first = second = Matrix::Zero(gradient.rows(), gradient.cols());
    }
    first = kFirst * first + (1 - kFirst) * gradient;
    second = kSecond * second + (1 - kSecond) * gradient.cwiseProduct(gradient);
    const double one = 1 - std::pow(kFirst, step), two = 1 - std::pow(kSecond, step);
    gradient = (rate / one) * (first.array() / ((second.array() / two).sqrt() + kTiny)).matrix();
  }
};

bool climbs(const BoundGraph& graph, int stage) {
  const Piecewise* f = graph[stage].piecewise();
  return f != nullptr && f->is_relu();
}

}  // namespace

void start_ascent(const Relaxation& relaxation, AscentRows& rows) {
  const BoundGraph& graph = relaxation.graph();
  const Index count = rows.nodes.count();
  rows.alpha.assign(at(graph.size()), Matrix());
  for (int s = 1; s < rows.stage; ++s) {
    if (!climbs(graph, s)) continue;
    rows.alpha[at(s)] = (rows.nodes.high[at(s)].array() > -rows.nodes.low[at(s)].array()).cast<double>();
  }
  rows.beta.resize(at(count));
  rows.lambda.resize(at(count));
  rows.splits.resize(at(count));
  for (Index r = 0; r < count; ++r) {
    rows.beta[at(r)] = Vector::Zero(static_cast<Index>(rows.splits[at(r)].size()));
    const Index size = rows.objectives[at(r)].size();
    rows.lambda[at(r)] = Vector::Constant(size, 1.0 / static_cast<double>(size));
  }
  rows.value = Vector::Constant(count, -std::numeric_limits<double>::infinity());
}

void ascend(Relaxation& relaxation, AscentRows& rows, const AscentOptions& options) {
  const BoundGraph& graph = relaxation.graph();
  const Index count = rows.nodes.count();
  Index most_splits = 0, most_objectives = 1;
  for (Index r = 0; r < count; ++r) {
    most_splits = std::max(most_splits, static_cast<Index>(rows.splits[at(r)].size()));
    most_objectives = std::max(most_objectives, rows.objectives[at(r)].size());
  }
  // The point that moves; `rows` keeps the best one of each row.
  std::vector<Matrix> alpha = rows.alpha;
  std::vector<Vector> beta = rows.beta, lambda = rows.lambda;
  std::vector<Momentum> alpha_momentum(at(graph.size()));
  Momentum beta_momentum, lambda_momentum;
  Relaxation::Sweep sweep;
  sweep.stage = rows.stage;
  sweep.slopes = &alpha;
  sweep.splits = &rows.splits;
  sweep.multipliers = &beta;
  sweep.rows.resize(count, graph[rows.stage].size);
  sweep.constant.resize(count);
  sweep.doubt.setZero(count);
  double rate = 1;
  for (int step = 1;; ++step, rate *= options.decay) {
    for (Index r = 0; r < count; ++r) {
      sweep.rows.row(r) = lambda[at(r)].transpose() * rows.objectives[at(r)].rows;
      sweep.constant[r] = lambda[at(r)].dot(rows.objectives[at(r)].offsets);
      const Objectives& own = rows.objectives[at(r)];
      if (own.size() == 1) continue;  // λ = 1 combines without rounding
      const Vector size = own.rows.cwiseAbs().transpose() * lambda[at(r)];
      sweep.doubt[r] = 4 * static_cast<double>(own.size() + 1) * std::numeric_limits<double>::epsilon() *
                       (size.dot(relaxation.magnitude(rows.stage)) + lambda[at(r)].dot(own.offsets.cwiseAbs()));
    }
    relaxation.sweep_rows(rows.nodes, sweep, true);
    for (Index r = 0; r < count; ++r) {
      if (!(sweep.value[r] > rows.value[r])) continue;
      rows.value[r] = sweep.value[r];
      rows.beta[at(r)] = beta[at(r)];
      rows.lambda[at(r)] = lambda[at(r)];
      for (int s = 1; s < rows.stage; ++s) {
        if (alpha[at(s)].size() > 0) rows.alpha[at(s)].row(r) = alpha[at(s)].row(r);
      }
    }
    if (step >= options.steps || (rows.value.array() > options.enough).all()) break;
    for (int s = 1; s < rows.stage; ++s) {
      if (alpha[at(s)].size() == 0) continue;
      Matrix gradient = sweep.weight[at(s)].cwiseMax(0.0).cwiseProduct(sweep.z[at(s)]);
      alpha_momentum[at(s)].turn(gradient, rate * options.alpha_rate, step);
      alpha[at(s)] = (alpha[at(s)] + gradient).cwiseMax(0.0).cwiseMin(1.0);
    }
    if (most_splits > 0) {
      Matrix gradient = Matrix::Zero(count, most_splits);
      for (Index r = 0; r < count; ++r) {
        for (std::size_t k = 0; k < rows.splits[at(r)].size(); ++k) {
          const Split& split = rows.splits[at(r)][k];
          if (split.stage < rows.stage)
            gradient(r, static_cast<Index>(k)) = -split.sign * (sweep.z[at(split.stage)](r, split.unit) - split.at);
        }
      }
      beta_momentum.turn(gradient, rate * options.beta_rate, step);
      for (Index r = 0; r < count; ++r)
        beta[at(r)] = (beta[at(r)] + gradient.row(r).head(beta[at(r)].size()).transpose()).cwiseMax(0.0);
    }
    if (most_objectives > 1) {
      Matrix gradient = Matrix::Zero(count, most_objectives);
      for (Index r = 0; r < count; ++r) {
        const Objectives& own = rows.objectives[at(r)];
        gradient.row(r).head(own.size()) =
            (own.rows * sweep.z[at(rows.stage)].row(r).transpose() + own.offsets).transpose();
      }
      lambda_momentum.turn(gradient, rate * 0.1, step);
      for (Index r = 0; r < count; ++r) {
        Vector moved = (lambda[at(r)] + gradient.row(r).head(lambda[at(r)].size()).transpose()).cwiseMax(0.0);
        if (moved.sum() > 0) lambda[at(r)] = moved / moved.sum();
      }
    }
  }
  rows.corner = sweep.corner;
  rows.score.assign(at(graph.size()), Matrix());
  for (int s = 1; s < rows.stage; ++s) {
    if (alpha[at(s)].size() == 0) continue;
    // |weight| × (line − unit) at the corner's trace: what the bound would gain there from a unit without relaxation.
    const Matrix &z = sweep.z[at(s)], &w = sweep.weight[at(s)], &low = rows.nodes.low[at(s)],
                 &high = rows.nodes.high[at(s)];
    Matrix score = Matrix::Zero(z.rows(), z.cols());
    for (Index r = 0; r < z.rows(); ++r) {
      for (Index i = 0; i < z.cols(); ++i) {
        const double l = low(r, i), h = high(r, i);
        if (!(l < 0 && h > 0)) continue;
        const double unit = std::max(z(r, i), 0.0);
        const double gap = w(r, i) >= 0 ? unit - alpha[at(s)](r, i) * z(r, i) : h * (z(r, i) - l) / (h - l) - unit;
        // The triangle's height counts a little, for units that the corner happens to meet at a vertex.
        score(r, i) = std::abs(w(r, i)) * (std::max(gap, 0.0) + 0.05 * h * -l / (h - l));
      }
    }
    rows.score[at(s)] = std::move(score);
  }
}

}  // namespace unrect
