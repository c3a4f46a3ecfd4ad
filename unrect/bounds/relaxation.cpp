#include "unrect/bounds/internal/relaxation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "unrect/base/internal/at.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kEnlarged = 1.01;
// A coefficient that underflows is off by less; what it multiplies may be large.
constexpr double kLostCoefficient = 1e-320;
constexpr Index kChunk = 256;
// Values beyond this may be infinite in the next sum: nothing is bounded there.
constexpr double kLargest = 1e300;

double gamma(Index terms) {
  const double n = static_cast<double>(terms) * kEpsilon;
  return n / (1 - n);
}

}  // namespace

Relaxation::Relaxation(const BoundGraph& graph, Box domain, std::optional<NormBall> ball)
    : graph_(&graph),
      domain_(std::move(domain)),
      ball_(std::move(ball)),
      magnitude_(at(graph.size())),
      activation_(at(graph.size())),
      lines_(at(graph.size())),
      coefficients_(at(graph.size())),
      used_(at(graph.size()), 0) {
  root_.low.resize(at(graph.size()));
  root_.high.resize(at(graph.size()));
  root_.empty.assign(1, 0);
  root_.low[0] = domain_.lower.transpose();
  root_.high[0] = domain_.upper.transpose();
  activation_[0] = domain_.lower.cwiseAbs().cwiseMax(domain_.upper.cwiseAbs());
  reach_ = activation_[0].sum();
  for (int s = 1; s < graph.size(); ++s) {
    set_magnitude(s);
    if (s + 1 == graph.size()) break;
    root_.low[at(s)] = Matrix::Constant(1, graph[s].size, -std::numeric_limits<double>::infinity());
    root_.high[at(s)] = -root_.low[at(s)];
    intervals(s, root_);
    tighten_by_sweeps(s, root_);
    relax(s, root_);
    Vector& a = activation_[at(s)];
    a.resize(graph[s].units);
    const Matrix &low = root_.low[at(s)], &high = root_.high[at(s)];
    const Vector size = low.cwiseAbs().cwiseMax(high.cwiseAbs()).transpose();
    if (const Piecewise* f = graph[s].piecewise()) {
      for (Index i = 0; i < a.size(); ++i) {
        const auto [least, most] = range_of(*f, i, low(0, i), high(0, i));
        a[i] = std::max(std::abs(least), std::abs(most));
      }
    } else if (const Maximum* m = graph[s].maximum()) {
      a.setZero();
      for (std::size_t i = 0; i < m->index.size(); ++i) {
        if (m->index[i] >= 0)
          a[static_cast<Index>(i) / m->width] = std::max(a[static_cast<Index>(i) / m->width], size[m->index[i]]);
      }
    } else {
      a = size;
    }
    a = a * kEnlarged + Vector::Constant(a.size(), kSmallestProduct);
    reach_ += a.sum();
  }
}

bool Relaxation::finite() const {
  const auto small = [](const Vector& size) { return (size.array() < kLargest).all(); };
  return std::ranges::all_of(magnitude_, small) && std::ranges::all_of(activation_, small);
}

void Relaxation::set_magnitude(int stage) {
  const BoundStage& st = (*graph_)[stage];
  Matrix m = (st.bias.cwiseAbs() + st.bias_error).transpose();
  for (const BoundLink& link : st.links) add_forward(link, activation_[at(link.source)].transpose(), m, true);
  magnitude_[at(stage)] = m.transpose() * kEnlarged + Vector::Constant(st.size, kSmallestProduct);
  reach_ += magnitude_[at(stage)].sum();
}

// z = M (mid ± rad) + b over the ranges of the sources.
void Relaxation::intervals(int stage, NodeBatch& nodes) {
  const BoundStage& st = (*graph_)[stage];
  Matrix middle = Matrix::Zero(nodes.count(), st.size), radius = middle;
  for (const BoundLink& link : st.links) {
    const BoundStage& source = (*graph_)[link.source];
    const Matrix &low = nodes.low[at(link.source)], &high = nodes.high[at(link.source)];
    Matrix least = low, most = high;
    if (const Piecewise* f = source.piecewise()) {
      if (f->is_relu()) {
        least = low.cwiseMax(0.0);
        most = high.cwiseMax(0.0);
      } else {
        for (Index b = 0; b < low.rows(); ++b) {
          for (Index i = 0; i < low.cols(); ++i)
            std::tie(least(b, i), most(b, i)) = range_of(*f, i, low(b, i), high(b, i));
        }
      }
    } else if (const Maximum* m = source.maximum()) {
      least.setConstant(low.rows(), m->units(), -std::numeric_limits<double>::infinity());
      most = least;
      for (Index b = 0; b < low.rows(); ++b) {
        for (std::size_t i = 0; i < m->index.size(); ++i) {
          if (m->index[i] < 0) continue;
          const Index unit = static_cast<Index>(i) / m->width;
          least(b, unit) = std::max(least(b, unit), low(b, m->index[i]));
          most(b, unit) = std::max(most(b, unit), high(b, m->index[i]));
        }
      }
    }
    const Matrix mid = 0.5 * (least + most);
    const Matrix rad = (most - mid).cwiseMax(mid - least) * (1 + 4 * kEpsilon);
    add_forward(link, mid, middle);
    add_forward(link, rad, radius, true);
  }
  Index terms = graph_->links() + 16;
  for (const BoundLink& link : st.links) terms = std::max(terms, (*graph_)[link.source].units + graph_->links() + 16);
  const Vector charge = 4 * gamma(terms) * magnitude_[at(stage)] + st.bias_error;
  for (Index b = 0; b < nodes.count(); ++b) {
    middle.row(b) += st.bias.transpose();
    radius.row(b) += charge.transpose();
    for (Index i = 0; i < st.size; ++i) {
      const double least = middle(b, i) - radius(b, i), most = middle(b, i) + radius(b, i);
      double &low = nodes.low[at(stage)](b, i), &high = nodes.high[at(stage)](b, i);
      if (std::isfinite(least)) low = std::max(low, least);
      if (std::isfinite(most)) high = std::min(high, most);
    }
  }
}

void Relaxation::relax(int stage, const NodeBatch& nodes) {
  const BoundStage& st = (*graph_)[stage];
  Lines& lines = lines_[at(stage)];
  const Matrix &low = nodes.low[at(stage)], &high = nodes.high[at(stage)];
  const Piecewise* f = st.piecewise();
  if (f == nullptr) return;
  lines.low_slope.resize(nodes.count(), st.units);
  lines.low_offset.resize(nodes.count(), st.units);
  lines.high_slope.resize(nodes.count(), st.units);
  lines.high_offset.resize(nodes.count(), st.units);
  const bool relu = f->is_relu();
  for (Index b = 0; b < nodes.count(); ++b) {
    for (Index i = 0; i < st.units; ++i) {
      const UnitLines unit = relu ? relu_lines(low(b, i), high(b, i)) : lines_of(*f, i, low(b, i), high(b, i));
      lines.low_slope(b, i) = unit.low_slope;
      lines.low_offset(b, i) = unit.low_offset;
      lines.high_slope(b, i) = unit.high_slope;
      lines.high_offset(b, i) = unit.high_offset;
    }
  }
}

void Relaxation::resize(int stage, Index rows) {
  if (used_[at(stage)]) return;
  coefficients_[at(stage)].setZero(rows, (*graph_)[stage].units);
  used_[at(stage)] = 1;
}

// v over z of a stage (in v_) to coefficients of its sources.
void Relaxation::propagate(int stage, Rows& rows) {
  const BoundStage& st = (*graph_)[stage];
  const double rate = gamma(st.size + graph_->links() + 16);
  rows.constant += v_ * st.bias;
  rows.charge +=
      v_.cwiseAbs() * (rate * magnitude_[at(stage)] + st.bias_error) +
      Vector::Constant(v_.rows(), (kSmallestProduct + kLostCoefficient * reach_) * static_cast<double>(st.size + 1));
  for (const BoundLink& link : st.links) {
    resize(link.source, v_.rows());
    add_backward(link, v_, coefficients_[at(link.source)]);
  }
}

// The rows z_i and −z_i of some undecided units: what propagate does, without products where a row of M is all it
// takes.
void Relaxation::start_at_units(int stage, std::size_t begin, Index units, Rows& rows) {
  const BoundStage& st = (*graph_)[stage];
  const double rate = gamma(st.size + graph_->links() + 16);
  const bool dense = std::ranges::all_of(st.links, &BoundLink::dense);
  if (!dense) v_.setZero(2 * units, st.size);
  for (const BoundLink& link : st.links) resize(link.source, 2 * units);
  for (Index k = 0; k < units; ++k) {
    const Index i = undecided_[begin + at(k)].second;
    if (!dense) {
      v_(2 * k, i) = 1;
      v_(2 * k + 1, i) = -1;
      continue;
    }
    rows.constant[2 * k] = st.bias[i];
    rows.constant[2 * k + 1] = -st.bias[i];
    rows.charge[2 * k] = rows.charge[2 * k + 1] = rate * magnitude_[at(stage)][i] + st.bias_error[i] + kSmallestProduct;
    for (const BoundLink& link : st.links) {
      coefficients_[at(link.source)].row(2 * k) += link.weight.row(i);
      coefficients_[at(link.source)].row(2 * k + 1) -= link.weight.row(i);
    }
  }
  if (!dense) propagate(stage, rows);
}

// Coefficients of a stage's units to those of its z, into v_.
void Relaxation::step_back(int stage, Rows& rows) {
  const BoundStage& st = (*graph_)[stage];
  const Matrix& a = coefficients_[at(stage)];
  const double rate = gamma(st.units + graph_->links() + 16);
  if (st.piecewise() != nullptr) {
    const Lines& lines = lines_[at(stage)];
    v_.resize(a.rows(), st.size);
    for (Index r = 0; r < a.rows(); ++r) {
      const Index b = rows.node[at(r)];
      up_ = a.row(r).cwiseMax(0.0);
      down_ = a.row(r).cwiseMin(0.0);
      v_.row(r).array() = up_ * lines.low_slope.row(b).array() + down_ * lines.high_slope.row(b).array();
      up_ = up_ * lines.low_offset.row(b).array() + down_ * lines.high_offset.row(b).array();
      rows.constant[r] += up_.sum();
      rows.charge[r] += rate * up_.abs().sum();
      if (!a.row(r).allFinite()) rows.charge[r] = std::numeric_limits<double>::infinity();  // max and min lose NaNs
    }
  } else if (const Maximum* m = st.maximum()) {
    v_.setZero(a.rows(), st.size);
    for (Index r = 0; r < a.rows(); ++r) {
      const double* const low = lines_[at(stage)].low_offset.data() + rows.node[at(r)] * st.size;
      const double* const high = lines_[at(stage)].high_offset.data() + rows.node[at(r)] * st.size;
      double size = 0;
      for (Index unit = 0; unit < st.units; ++unit) {
        const double c = a(r, unit);
        if (c == 0) continue;
        Index best = -1;
        double others = -std::numeric_limits<double>::infinity(), most = others;
        for (Index slot = 0; slot < m->width; ++slot) {
          const Index i = m->index[at(unit * m->width + slot)];
          if (i < 0) continue;
          most = std::max(most, high[i]);
          if (best < 0 || low[i] > low[best]) best = i;
        }
        for (Index slot = 0; slot < m->width; ++slot) {
          const Index i = m->index[at(unit * m->width + slot)];
          if (i >= 0 && i != best) others = std::max(others, high[i]);
        }
        // Below: any slot's value. Above: the one that wins all over the node, else the largest there can be.
        if (c > 0 || low[best] >= others) {
          v_(r, best) += c;
        } else {
          rows.constant[r] += c * most;
          size += std::abs(c * most);
        }
      }
      rows.charge[r] += rate * size;
    }
  } else {
    v_ = a;
  }
}

// Goes back from the coefficients that are there, of stages up to `from`, to the input.
void Relaxation::sweep(int from, Rows& rows, const Sweep* extras) {
  for (int s = from; s > 0; --s) {
    if (!used_[at(s)]) continue;
    step_back(s, rows);
    used_[at(s)] = 0;
    if (extras != nullptr && extras->splits != nullptr) add_splits(s, *extras, rows);
    propagate(s, rows);
  }
}

// F ≥ F − β sign (z − at), since β sign (z − at) ≥ 0 on the node.
void Relaxation::add_splits(int stage, const Sweep& extras, Rows& rows) {
  for (Index r = 0; r < v_.rows(); ++r) {
    const std::vector<Split>& splits = (*extras.splits)[at(r)];
    for (std::size_t k = 0; k < splits.size(); ++k) {
      if (splits[k].stage != stage) continue;
      const double multiplier = (*extras.multipliers)[at(r)][static_cast<Index>(k)] * splits[k].sign;
      v_(r, splits[k].unit) -= multiplier;
      rows.constant[r] += multiplier * splits[k].at;
      rows.charge[r] += 4 * kEpsilon * (std::abs(multiplier * splits[k].at) + std::abs(rows.constant[r]));
    }
  }
}

Vector Relaxation::concretize(const NodeBatch& nodes, Rows& rows) {
  const Index count = static_cast<Index>(rows.node.size());
  resize(0, count);
  used_[0] = 0;
  const Matrix& a = coefficients_[0];
  const double rate = gamma(a.cols() + graph_->links() + 16);
  if (ball_) corner_.resize(count, a.cols());
  Vector value(count);
  for (Index r = 0; r < count; ++r) {
    const Index b = rows.node[at(r)];
    const double sum = (a.row(r).array().max(0.0) * nodes.low[0].row(b).array() +
                        a.row(r).array().min(0.0) * nodes.high[0].row(b).array())
                           .sum();
    const double charge =
        (rows.charge[r] + rate * (a.row(r).cwiseAbs().dot(activation_[0]) + std::abs(rows.constant[r]))) * kEnlarged;
    const double rest = rows.constant[r] - charge - kSmallestProduct * static_cast<double>(a.cols() + 1);
    value[r] = sum + rest;
    if (std::isfinite(value[r]) && a.row(r).allFinite()) {
      if (!ball_) continue;
      BallMinimum within =
          minimum_over(a.row(r).transpose(), nodes.low[0].row(b).transpose(), nodes.high[0].row(b).transpose(), *ball_);
      if (std::isfinite(within.value)) value[r] = std::max(value[r], within.value + rest);
      corner_.row(r) = within.point.transpose();
      continue;
    }
    if (ball_) corner_.row(r) = nodes.low[0].row(b);
    // What overflowed on the way, up or down, bounds nothing.
    value[r] = rows.constant[r] = -std::numeric_limits<double>::infinity();
    rows.charge[r] = 0;
    coefficients_[0].row(r).setZero();
  }
  return value;
}

void Relaxation::tighten_by_sweeps(int stage, NodeBatch& nodes) {
  const BoundStage& st = (*graph_)[stage];
  Matrix &low = nodes.low[at(stage)], &high = nodes.high[at(stage)];
  undecided_.clear();
  for (Index b = 0; b < nodes.count(); ++b) {
    if (nodes.empty[at(b)]) continue;
    for (Index i = 0; i < st.size; ++i) {
      const bool open =
          st.piecewise() != nullptr ? straddles(*st.piecewise(), i, low(b, i), high(b, i)) : st.maximum() != nullptr;
      if (open) undecided_.emplace_back(b, i);
    }
  }
  // What intervals say of sums over a box is all there is to say; a ball is not a box.
  const bool first = !ball_ && std::ranges::all_of(st.links, [](const BoundLink& link) { return link.source == 0; }) &&
                     st.links.size() == 1;
  Rows rows;
  for (std::size_t begin = 0; begin < undecided_.size() && !first; begin += at(kChunk / 2)) {
    const auto units = static_cast<Index>(std::min(undecided_.size() - begin, at(kChunk / 2)));
    rows.node.resize(at(2 * units));
    rows.constant.setZero(2 * units);
    rows.charge.setZero(2 * units);
    for (Index k = 0; k < units; ++k) rows.node[at(2 * k)] = rows.node[at(2 * k + 1)] = undecided_[begin + at(k)].first;
    start_at_units(stage, begin, units, rows);
    sweep(stage - 1, rows);
    const Vector value = concretize(nodes, rows);
    for (Index k = 0; k < units; ++k) {
      const auto [b, i] = undecided_[begin + at(k)];
      low(b, i) = std::max(low(b, i), value[2 * k]);
      high(b, i) = std::min(high(b, i), -value[2 * k + 1]);
    }
  }
  for (Index b = 0; b < nodes.count(); ++b) {
    if ((low.row(b).array() > high.row(b).array()).any()) {
      nodes.empty[at(b)] = 1;
      high.row(b) = high.row(b).cwiseMax(low.row(b));
    }
  }
  if (st.maximum() != nullptr) {
    lines_[at(stage)].low_offset = low;
    lines_[at(stage)].high_offset = high;
  }
}

void Relaxation::tighten(NodeBatch& nodes) {
  for (int s = 1; s + 1 < graph_->size(); ++s) {
    intervals(s, nodes);
    tighten_by_sweeps(s, nodes);
    relax(s, nodes);
  }
}

void Relaxation::minimize(const NodeBatch& nodes, const Objectives& objectives, Minorants& out) {
  const int last = graph_->size() - 1;
  const Index total = nodes.count() * objectives.size(), inputs = graph_->inputs();
  out.value.resize(total);
  out.constant.resize(total);
  out.slope.resize(total, inputs);
  Rows rows;
  for (Index begin = 0; begin < total; begin += kChunk) {
    const Index count = std::min(kChunk, total - begin);
    rows.node.resize(at(count));
    rows.constant.resize(count);
    rows.charge.setZero(count);
    v_.resize(count, graph_->outputs());
    for (Index r = 0; r < count; ++r) {
      rows.node[at(r)] = (begin + r) / objectives.size();
      rows.constant[r] = objectives.offsets[(begin + r) % objectives.size()];
      v_.row(r) = objectives.rows.row((begin + r) % objectives.size());
    }
    rows.charge = rows.constant.cwiseAbs() * (4 * kEpsilon);
    propagate(last, rows);
    sweep(last - 1, rows);
    out.value.segment(begin, count) = concretize(nodes, rows);
    out.slope.middleRows(begin, count) = coefficients_[0];
    out.constant.segment(begin, count) = rows.constant - rows.charge * kEnlarged;
  }
}

void Relaxation::sweep_rows(const NodeBatch& nodes, Sweep& sweep_of, bool with_trace) {
  const Index count = nodes.count();
  for (int s = 1; s < sweep_of.stage; ++s) {
    relax(s, nodes);
    if ((*graph_)[s].maximum() != nullptr) {
      lines_[at(s)].low_offset = nodes.low[at(s)];
      lines_[at(s)].high_offset = nodes.high[at(s)];
    }
    const Piecewise* f = (*graph_)[s].piecewise();
    if (f == nullptr || !f->is_relu() || sweep_of.slopes == nullptr) continue;
    const Matrix& slopes = (*sweep_of.slopes)[at(s)];
    Matrix& own = lines_[at(s)].low_slope;
    for (Index r = 0; r < count; ++r) {
      for (Index i = 0; i < own.cols(); ++i) {
        if (nodes.low[at(s)](r, i) < 0 && nodes.high[at(s)](r, i) > 0) own(r, i) = slopes(r, i);
      }
    }
  }
  Rows rows;
  rows.node.resize(at(count));
  for (Index r = 0; r < count; ++r) rows.node[at(r)] = r;
  rows.constant = sweep_of.constant;
  rows.charge = sweep_of.doubt + rows.constant.cwiseAbs() * (4 * kEpsilon);
  v_ = sweep_of.rows;
  propagate(sweep_of.stage, rows);
  sweep(sweep_of.stage - 1, rows, &sweep_of);
  sweep_of.value = concretize(nodes, rows);
  sweep_of.slope = coefficients_[0];
  sweep_of.intercept = rows.constant - rows.charge * kEnlarged;
  if (with_trace) trace(nodes, sweep_of);
}

void Relaxation::trace(const NodeBatch& nodes, Sweep& sweep_of) {
  const Index count = nodes.count();
  sweep_of.z.resize(at(graph_->size()));
  sweep_of.weight.resize(at(graph_->size()));
  std::vector<Matrix> a(at(graph_->size()));
  sweep_of.corner = corner_;
  if (!ball_) sweep_of.corner = (coefficients_[0].array() > 0).select(nodes.low[0], nodes.high[0]);
  a[0] = sweep_of.corner;
  for (int s = 1; s <= sweep_of.stage; ++s) {
    const BoundStage& st = (*graph_)[s];
    Matrix& z = sweep_of.z[at(s)];
    z = st.bias.transpose().replicate(count, 1);
    for (const BoundLink& link : st.links) add_forward(link, a[at(link.source)], z);
    if (s == sweep_of.stage) break;
    Matrix& weight = sweep_of.weight[at(s)];
    weight = coefficients_[at(s)];
    if (weight.rows() != count) weight.setZero(count, st.units);  // a stage that the rows do not read
    if (st.piecewise() != nullptr) {
      const Lines& lines = lines_[at(s)];
      a[at(s)] = (weight.array() >= 0)
                     .select(lines.low_slope.array() * z.array() + lines.low_offset.array(),
                             lines.high_slope.array() * z.array() + lines.high_offset.array());
    } else if (const Maximum* m = st.maximum()) {
      a[at(s)].resize(count, m->units());
      for (Index r = 0; r < count; ++r) {
        for (Index i = 0; i < m->units(); ++i)
          a[at(s)](r, i) = z(r, m->index[at(i * m->width + m->top_slot(i, z.data() + r * z.cols()))]);
      }
    } else {
      a[at(s)] = z;
    }
  }
}

}  // namespace unrect
