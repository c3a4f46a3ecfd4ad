#include "unrect/verify/internal/attack.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Matrix activated(const BoundStage& stage, const Matrix& z) {
  if (const Piecewise* f = stage.piecewise()) {
    if (f->is_relu()) return z.cwiseMax(0.0);
    Matrix a = z;
    for (Index n = 0; n < z.rows(); ++n) {
      for (Index i = 0; i < z.cols(); ++i) {
        const Index p = f->piece(i, z(n, i)), row = f->row_of(i);
        a(n, i) = f->slopes(row, p) * z(n, i) + f->offsets(row, p);
      }
    }
    return a;
  }
  if (const Maximum* m = stage.maximum()) {
    Matrix a(z.rows(), m->units());
    for (Index n = 0; n < z.rows(); ++n) {
      for (Index i = 0; i < a.cols(); ++i)
        a(n, i) = z(n, m->index[at(i * m->width + m->top_slot(i, z.data() + n * z.cols()))]);
    }
    return a;
  }
  return z;
}

// Gradients over a stage's units to gradients over its z, on the pieces that z is on.
Matrix pulled_back(const BoundStage& stage, const Matrix& z, const Matrix& u) {
  if (const Piecewise* f = stage.piecewise()) {
    if (f->is_relu()) return u.cwiseProduct((z.array() > 0).cast<double>().matrix());
    Matrix v = u;
    for (Index n = 0; n < z.rows(); ++n) {
      for (Index i = 0; i < z.cols(); ++i) v(n, i) *= f->slopes(f->row_of(i), f->piece(i, z(n, i)));
    }
    return v;
  }
  if (const Maximum* m = stage.maximum()) {
    Matrix v = Matrix::Zero(z.rows(), z.cols());
    for (Index n = 0; n < z.rows(); ++n) {
      for (Index i = 0; i < u.cols(); ++i)
        v(n, m->index[at(i * m->width + m->top_slot(i, z.data() + n * z.cols()))]) += u(n, i);
    }
    return v;
  }
  return u;
}

}  // namespace

Matrix Attack::outputs(const Matrix& points, std::vector<Matrix>* values) const {
  const BoundGraph& graph = *graph_;
  std::vector<Matrix> z(at(graph.size())), a(at(graph.size()));
  a[0] = points;
  for (int s = 1; s < graph.size(); ++s) {
    z[at(s)] = graph[s].bias.transpose().replicate(points.rows(), 1);
    for (const BoundLink& link : graph[s].links) add_forward(link, a[at(link.source)], z[at(s)]);
    if (s + 1 < graph.size()) a[at(s)] = activated(graph[s], z[at(s)]);
  }
  Matrix y = z.back();
  if (values != nullptr) *values = std::move(z);
  return y;
}

Vector Attack::depths(const Matrix& points) const {
  const Matrix y = outputs(points);
  Vector depth(points.rows());
  for (Index n = 0; n < depth.size(); ++n) depth[n] = query_->depth(y.row(n).transpose());
  return depth;
}

Matrix Attack::starts(Index count, Rng& rng) const {
  const Box& box = query_->box;
  Matrix points(count, box.dimension());
  for (Index n = 0; n < count; ++n) {
    for (Index j = 0; j < points.cols(); ++j)
      points(n, j) = n == 0 ? 0.5 * (box.lower[j] + box.upper[j]) : rng.uniform(box.lower[j], box.upper[j]);
    if (query_->ball) points.row(n) = projected(points.row(n).transpose(), *query_->ball).transpose();
  }
  return points;
}

Attack::Best Attack::climb(Matrix points, int steps, double stride, double enough) const {
  const BoundGraph& graph = *graph_;
  const Query& query = *query_;
  const Vector width = query.box.upper - query.box.lower;
  Best best{points.row(0).transpose(), -std::numeric_limits<double>::infinity()};
  std::vector<Matrix> z, cotangents(at(graph.size()));
  for (int step = 0;; ++step) {
    const Matrix y = outputs(points, &z);
    Matrix u(points.rows(), graph.outputs());
    Matrix direct = Matrix::Zero(points.rows(), points.cols());
    for (Index n = 0; n < points.rows(); ++n) {
      // The polytope this point is nearest to.
      double depth = -std::numeric_limits<double>::infinity();
      const Halfspaces* target = nullptr;
      for (const Halfspaces& polytope : query.unsafe) {
        const double slack = polytope.size() == 0 ? std::numeric_limits<double>::infinity()
                                                  : polytope.slacks(y.row(n).transpose()).minCoeff();
        if (slack > depth) {
          depth = slack;
          target = &polytope;
        }
      }
      if (query.input_rows.size() > 0) {
        Index worst = 0;
        const double slack = query.input_rows.slacks(points.row(n).transpose()).minCoeff(&worst);
        if (slack < 0) {
          depth = slack - 1;  // not a candidate until it is inside
          direct.row(n) = -query.input_rows.normals.row(worst);
          target = nullptr;
        }
      }
      if (depth > best.depth) best = {points.row(n).transpose(), depth};
      u.row(n).setZero();
      if (target == nullptr || target->size() == 0) continue;
      // The rows that keep it out, each by how far; the nearest one where none does, to go deeper.
      const Vector slacks = target->slacks(y.row(n).transpose());
      if (depth < 0) {
        u.row(n) = -slacks.cwiseMin(0.0).cwiseAbs().transpose() * target->normals;
      } else {
        Index worst = 0;
        slacks.minCoeff(&worst);
        u.row(n) = -target->normals.row(worst);
      }
    }
    if (step == steps || best.depth > enough) return best;
    for (int s = 0; s < graph.size(); ++s) cotangents[at(s)].setZero(points.rows(), graph[s].units);
    for (int s = graph.size() - 1; s > 0; --s) {
      const Matrix v = s + 1 == graph.size() ? u : pulled_back(graph[s], z[at(s)], cotangents[at(s)]);
      for (const BoundLink& link : graph[s].links) add_backward(link, v, cotangents[at(link.source)]);
    }
    const double length = stride * std::pow(0.1, static_cast<double>(step) / steps);
    for (Index n = 0; n < points.rows(); ++n) {
      // Every second point goes to where all inputs move alike, the others along the gradient.
      double most = 0;
      for (Index j = 0; j < points.cols(); ++j)
        most = std::max(most, std::abs(cotangents[0](n, j) + direct(n, j)) * width[j]);
      for (Index j = 0; j < points.cols(); ++j) {
        const double g = cotangents[0](n, j) + direct(n, j);
        const double share = n % 2 == 0 ? (g > 0 ? 1.0 : g < 0 ? -1.0 : 0.0) : most > 0 ? g * width[j] / most : 0.0;
        const double to = points(n, j) + length * share * width[j];
        points(n, j) = std::clamp(to, query.box.lower[j], query.box.upper[j]);
      }
      if (query.ball) points.row(n) = projected(points.row(n).transpose(), *query.ball).transpose();
    }
  }
}

}  // namespace unrect
