#include "unrect/bounds/internal/unit_graph.hpp"

#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTiny = 1e-290;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Eigen::MatrixXd weight_of(const Link& link, Index size, Index sources) {
  if (link.dense()) return link.columns.leftCols(size).transpose();
  Eigen::MatrixXd weight = Eigen::MatrixXd::Zero(size, sources);
  for (Index j = 0; j < sources; ++j) {
    for (Index e = link.start[at(j)]; e < link.start[at(j) + 1]; ++e) weight(link.row[at(e)], j) += link.weight[at(e)];
  }
  return weight;
}

}  // namespace

Directions directions_of(const Domain& domain) {
  const Matrix& axes = domain.axes;
  const bool inputs = (axes.array() == 0 || axes.array() == 1).all() && (axes.colwise().sum().array() == 1).all() &&
                      (axes.rowwise().sum().array() <= 1).all();
  if (inputs) return {axes};
  const Index k = axes.cols();
  const Eigen::MatrixXd tall = axes;
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(tall);
  // The span must be the axes' own: axes T, with T the inverse of R, not the orthonormal factor.
  const Eigen::MatrixXd r = qr.matrixQR().topRows(k).triangularView<Eigen::Upper>();
  const Eigen::MatrixXd inverse = r.triangularView<Eigen::Upper>().solve(Eigen::MatrixXd::Identity(k, k));
  const Matrix directions = axes * inverse;
  const double gamma = static_cast<double>(axes.rows() + 8) * kEpsilon;
  // Each column as computed is off its exact combination of the axes by so much.
  const double off = gamma * (axes.cwiseAbs() * inverse.cwiseAbs()).norm();
  const Matrix gram = directions.transpose() * directions - Matrix::Identity(k, k);
  const double error = 1.01 * (gram.norm() + gamma * directions.squaredNorm());
  UNRECT_REQUIRE(error < 0.1, ErrorCode::kInvalidArgument,
                 "domain: its axes are too close to dependent for a Lipschitz constant: directions are off by {:.2g}",
                 error);
  return {directions, error, 1.01 * off};
}

UnitGraph::UnitGraph(const Stages& stages, Directions directions, const std::vector<Index>& margin)
    : stages_(&stages), directions_(std::move(directions)) {
  const auto count = at(stages.size());
  sources_.resize(count);
  bias_.resize(count);
  bias_error_.resize(count);
  first_unit_.assign(count, -1);
  norm_.assign(count, 0);
  row_error_.assign(count, 0);
  value_.resize(count);
  for (int s = 0; s < stages.size(); ++s) {
    const Stage& stage = stages[s];
    const bool last = s + 1 == stages.size();
    UNRECT_REQUIRE(stage.maximum() == nullptr, ErrorCode::kUnsupported,
                   "Lipschitz constant: layer {} takes maxima; expected units with two pieces in more than a few "
                   "dimensions or over all inputs",
                   stage.layer);
    for (const Link& link : stage.links)
      sources_[at(s)].push_back({link.source, weight_of(link, stage.size, stages[link.source].units())});
    bias_[at(s)] = Vector::Zero(stage.size);
    Vector size = Vector::Zero(stage.size);
    for (const Vector& bias : stage.biases) {
      bias_[at(s)] += bias;
      size += bias.cwiseAbs();
    }
    bias_error_[at(s)] = (static_cast<double>(stage.biases.size()) - 1) * kEpsilon * size;
    double moved = 0;  // what rounding the difference of two outputs moves
    if (last && !margin.empty()) {
      for (Source& source : sources_[at(s)]) {
        const Eigen::MatrixXd row = source.weight.row(margin[0]) - source.weight.row(margin[1]);
        moved += kEpsilon * row.norm();
        source.weight = row;
      }
    }
    double norm = 0, error = 0;
    for (const Source& source : sources_[at(s)]) {
      const double w = source.weight.norm();
      const double gamma = static_cast<double>(source.weight.cols() + 8) * kEpsilon;
      norm += w * norm_[at(source.stage)];
      const double rows = source.weight.rows() == 0 ? 0 : source.weight.rowwise().norm().maxCoeff();
      // A row of errors of the source: each of its rows is off by that at most.
      error += rows * std::sqrt(static_cast<double>(source.weight.cols())) * row_error_[at(source.stage)] +
               (gamma * rows + moved) * norm_[at(source.stage)];
    }
    if (s == 0) {
      norm = directions_.matrix.norm();
      error = directions_.moved;
    }
    const Piecewise* f = stage.piecewise();
    if (f != nullptr) {
      UNRECT_REQUIRE(f->pieces() == 2, ErrorCode::kUnsupported,
                     "Lipschitz constant: layer {} ({}) has units of {} pieces; expected two in more than a few "
                     "dimensions or over all inputs",
                     stage.layer, f->kind, f->pieces());
      first_unit_[at(s)] = units();
      double steepest = 0, jump = 0;
      bool copies = true;
      for (Index i = 0; i < stage.size; ++i) {
        const Index row = f->row_of(i);
        units_.push_back(
            {s, i, f->breaks(row, 0), f->slopes(row, 0), f->slopes(row, 1), f->offsets(row, 0), f->offsets(row, 1)});
        const Unit& u = units_.back();
        steepest = std::max({steepest, std::abs(u.below), std::abs(u.above)});
        jump = std::max(jump, std::abs(u.above - u.below));
        copies = copies && u.below == 0 && u.above == 1;
      }
      // Either piece: below z + (above − below) v.
      norm = std::hypot(steepest * norm, jump * std::sqrt(static_cast<double>(stage.size)));
      error = steepest * error + (copies ? 0 : 4 * kEpsilon * norm);
    }
    norm_[at(s)] = 1.01 * norm;
    row_error_[at(s)] = 1.01 * error + kTiny;
  }
  // How much a unit's v can matter, roughly: what a start of the relaxation needs.
  weight_.assign(count, 0);
  weight_.back() = 1;
  for (int s = stages.size() - 1; s > 0; --s) {
    for (const Source& source : sources_[at(s)])
      weight_[at(source.stage)] += weight_[at(s)] * std::max(source.weight.squaredNorm(), 1e-12);
  }
  column_.assign(at(units()), -1);
}

Pattern UnitGraph::open_pattern() const {
  Pattern pattern;
  for (const Unit& u : units_) pattern.push_back(u.bends() ? kEither : 0);
  return pattern;
}

int UnitGraph::first_open_stage(const Pattern& pattern) const {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == kEither) return units_[i].stage;
  }
  return -1;
}

void UnitGraph::slopes(const Pattern& pattern, Program& out) {
  const Index k = directions_.matrix.cols();
  Index m = 0;
  for (const signed char piece : pattern) m += piece == kEither ? 1 : 0;
  Eigen::MatrixXd rows(m, k + m);
  std::vector<Index> which;
  Vector errors(m);
  for (int s = 0; s < stages_->size(); ++s) {
    Eigen::MatrixXd& a = value_[at(s)];
    if (s == 0) {
      a = Eigen::MatrixXd::Zero(directions_.matrix.rows(), k + m);
      a.leftCols(k) = directions_.matrix;
    } else {
      const auto& sources = sources_[at(s)];
      a = Eigen::MatrixXd::Zero(sources.empty() ? (*stages_)[s].size : sources.front().weight.rows(), k + m);
      // Columns of later units are still zero.
      const Index used = k + static_cast<Index>(which.size());
      for (const Source& source : sources)
        a.leftCols(used).noalias() += source.weight * value_[at(source.stage)].leftCols(used);
    }
    if (first_unit_[at(s)] < 0) continue;
    for (Index i = 0; i < a.rows(); ++i) {
      const Index flat = first_unit_[at(s)] + i;
      const Unit& u = unit(flat);
      const signed char piece = pattern[at(flat)];
      if (piece == kEither) {
        const auto row = static_cast<Index>(which.size());
        rows.row(row) = a.row(i);
        rows(row, k + row) = -1;
        errors[row] = row_error_[at(s)];
        which.push_back(flat);
        a.row(i) *= u.below;
        a(i, k + row) = u.above - u.below;
      } else {
        const double slope = piece == 0 ? u.below : u.above;
        if (slope != 1) a.row(i) *= slope;
      }
    }
  }
  const Eigen::MatrixXd& y = value_.back();
  // Units that nothing depends on are left out.
  std::vector<char> matters(at(m), 0);
  for (Index j = m - 1; j >= 0; --j) {
    bool any = y.col(k + j).cwiseAbs().maxCoeff() > 0;
    for (Index i = j + 1; i < m && !any; ++i) any = matters[at(i)] != 0 && rows(i, k + j) != 0;
    matters[at(j)] = any ? 1 : 0;
  }
  std::vector<Index> kept;
  for (Index j = 0; j < m; ++j) {
    if (matters[at(j)] != 0) kept.push_back(j);
  }
  const auto left = static_cast<Index>(kept.size());
  UnitProgram& p = out.program;
  p.directions = k;
  p.units.resize(left, k + left);
  p.outputs.resize(y.rows(), k + left);
  p.units.leftCols(k) = Eigen::MatrixXd(rows.leftCols(k))(kept, Eigen::all);
  p.outputs.leftCols(k) = y.leftCols(k);
  out.units.clear();
  out.unit_error.resize(left);
  for (Index c = 0; c < left; ++c) {
    for (Index r = 0; r < left; ++r) p.units(r, k + c) = rows(kept[at(r)], k + kept[at(c)]);
    p.outputs.col(k + c) = y.col(k + kept[at(c)]);
    out.units.push_back(which[at(kept[at(c)])]);
    out.unit_error[c] = errors[kept[at(c)]];
  }
  out.output_error = row_error_.back();
}

MatrixRange UnitGraph::map_of(const Program& program) {
  const Index k = program.program.directions;
  MatrixRange map{program.program.outputs.leftCols(k), {}};
  map.radius = Matrix::Constant(map.center.rows(), k, program.output_error);
  return map;
}

// v_i = d z_i, d ∈ [0, 1]: in the middle, and as far from it.
MatrixRange UnitGraph::range_of(const Program& program) {
  const UnitProgram& p = program.program;
  const Index k = p.directions, m = p.undecided();
  Matrix center = Matrix::Zero(m, k), radius = Matrix::Zero(m, k);
  const double inflate = 1 + static_cast<double>(4 * (m + k) + 16) * kEpsilon;
  const double rounding = static_cast<double>(m + k + 8) * kEpsilon;
  for (Index i = 0; i < m; ++i) {
    Vector c = p.units.row(i).head(k).transpose();
    Vector r = Vector::Constant(k, program.unit_error[i]) + kEpsilon * c.cwiseAbs();
    for (Index j = 0; j < i; ++j) {
      const double w = p.units(i, k + j);
      if (w == 0) continue;
      const double doubtful = std::abs(w) + program.unit_error[i];
      c += w * center.row(j).transpose();
      r += (doubtful * radius.row(j) + (rounding * std::abs(w) + program.unit_error[i]) * center.row(j).cwiseAbs())
               .transpose();
    }
    center.row(i) = 0.5 * c.transpose();
    radius.row(i) = inflate * (0.5 * c.cwiseAbs() + r).transpose();
  }
  MatrixRange range = map_of(program);
  for (Index i = 0; i < m; ++i) {
    const Vector w = p.outputs.col(k + i);
    range.center += w * center.row(i);
    range.radius += w.cwiseAbs() * (radius.row(i) + rounding * center.row(i).cwiseAbs()) +
                    Matrix::Constant(w.size(), k, program.output_error)
                        .cwiseProduct(Vector::Ones(w.size()) * (radius.row(i) + center.row(i).cwiseAbs()));
  }
  range.radius = inflate * (range.radius + rounding * range.center.cwiseAbs());
  return range;
}

Vector UnitGraph::weights_of(const Program& program) const {
  Vector weights(static_cast<Index>(program.units.size()));
  for (Index i = 0; i < weights.size(); ++i) weights[i] = weight_[at(unit(program.units[at(i)]).stage)];
  return weights;
}

Pattern UnitGraph::pattern_at(const Matrix& axes, const VectorRef& point) const {
  Pattern pattern(units_.size(), 0);
  std::vector<Vector> a(at(stages_->size()));
  const double one = point[point.size() - 1];
  for (int s = 0; s < stages_->size(); ++s) {
    Vector z = s == 0 ? Vector(axes * point) : Vector(one * bias_[at(s)]);
    if (s + 1 == stages_->size()) break;
    for (const Source& source : sources_[at(s)]) z += source.weight * a[at(source.stage)];
    if (first_unit_[at(s)] >= 0) {
      for (Index i = 0; i < z.size(); ++i) {
        const Unit& u = unit(first_unit_[at(s)] + i);
        const bool above = z[i] > one * u.at;
        pattern[at(first_unit_[at(s)] + i)] = above ? 1 : 0;
        z[i] = above ? u.above * z[i] + one * u.high_offset : u.below * z[i] + one * u.low_offset;
      }
    }
    a[at(s)] = std::move(z);
  }
  return pattern;
}

}  // namespace unrect
