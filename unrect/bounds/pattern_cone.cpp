#include "unrect/bounds/internal/pattern_cone.hpp"

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/polytope/chebyshev.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/polytope/internal/whole.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
// Rows have a largest entry in [1, 2): a point with this much of each is inside for all that matters here.
constexpr double kInside = 1e-9;
constexpr double kSupport = 1e-13;  // a multiplier below it is none

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// Every form of a network is about the same over a larger box.
Box wide_box(Index n) { return {Vector::Constant(n, -1), Vector::Constant(n, 1)}; }

Hyperplane wall_of(const UnitGraph::Unit& unit) { return {unit.stage, unit.row, -1, unit.at, 0, unit.row}; }

}  // namespace

PatternCone::PatternCone(const UnitGraph& graph, const Domain* domain)
    : graph_(&graph),
      everywhere_(wide_box(domain != nullptr ? 1 : graph.directions().matrix.rows())),
      domain_(domain != nullptr ? domain : &everywhere_),
      bounded_(domain != nullptr),
      exact_(std::make_unique<ExactForms>(graph.stages(), *domain_)) {
  const Index k = domain_->dimension();
  middle_ = Vector::Zero(k);
  half_ = Vector::Ones(k);
  if (bounded_) {
    middle_ = domain_->box.center();
    for (Index d = 0; d < k; ++d)
      half_[d] = std::ldexp(1.0, std::ilogb(std::max(0.5 * (domain_->box.upper[d] - domain_->box.lower[d]), 1e-300)));
  }
  axes_.resize(domain_->input_size(), k + 1);
  axes_ << domain_->axes * half_.asDiagonal(), domain_->origin + domain_->axes * middle_;
  if (!bounded_) return;
  const Index constraints = domain_->constraints.size();
  sides_ = Matrix::Zero(2 * k + constraints, k + 1);
  side_error_ = Vector::Zero(2 * k + constraints);
  for (Index d = 0; d < k; ++d) {
    sides_(2 * d, d) = 1;
    sides_(2 * d, k) = (middle_[d] - domain_->box.lower[d]) / half_[d];
    sides_(2 * d + 1, d) = -1;
    sides_(2 * d + 1, k) = (domain_->box.upper[d] - middle_[d]) / half_[d];
    side_error_[2 * d] = side_error_[2 * d + 1] =
        4 * kEpsilon * (std::abs(middle_[d]) + std::abs(domain_->box.lower[d]) + std::abs(domain_->box.upper[d])) /
        half_[d];
  }
  for (Index r = 0; r < constraints; ++r) {
    const auto normal = domain_->constraints.normals.row(r);
    sides_.row(2 * k + r).head(k) = -(normal.array() * half_.transpose().array()).matrix();
    sides_(2 * k + r, k) = domain_->constraints.offsets[r] - normal.dot(middle_);
    side_error_[2 * k + r] = static_cast<double>(2 * k + 8) * kEpsilon *
                             (std::abs(domain_->constraints.offsets[r]) + normal.cwiseAbs().dot(middle_.cwiseAbs()) +
                              normal.cwiseAbs().dot(half_));
  }
}

Vector PatternCone::parameters(const VectorRef& point) const {
  const Index k = domain_->dimension();
  return middle_ + half_.cwiseProduct(point.head(k) / point[k]);
}

Vector PatternCone::input(const VectorRef& point) const {
  return bounded_ ? domain_->point(parameters(point)) : parameters(point);
}

// Forms over (s, 1), stage by stage, each entry off by no more than its row's error: of slopes, and of the constant.
PatternCone::Rows PatternCone::rows_of(const Pattern& pattern) {
  const Index k = domain_->dimension();
  const Stages& stages = graph_->stages();
  Rows rows;
  const Index most = static_cast<Index>(pattern.size()) + sides_.rows() + 1;
  rows.normals.resize(most, k + 1);
  rows.error.resize(most);
  Index count = 0;
  const auto add = [&](const auto& row, double error, Index unit) {
    const double largest = row.cwiseAbs().maxCoeff();
    const double scale = std::ldexp(1.0, -std::ilogb(largest));
    rows.normals.row(count) = row * scale;
    rows.error[count] = error * scale;
    rows.unit.push_back(unit);
    ++count;
  };
  for (Index r = 0; r < sides_.rows(); ++r) add(sides_.row(r), side_error_[r], -1);
  if (!bounded_) add(Eigen::RowVectorXd::Unit(k + 1, k), 0, -1);
  struct Forms {
    Matrix value;  // of a
    Vector slope_error, error;
  };
  std::vector<Forms> forms(at(stages.size()));
  for (int s = 0; s + 1 < stages.size(); ++s) {
    Forms& f = forms[at(s)];
    if (s == 0) {
      f.value = axes_;
      f.slope_error = Vector::Zero(axes_.rows());
      f.error = f.slope_error;
      if (bounded_) {
        f.error = static_cast<double>(k + 4) * kEpsilon *
                  (domain_->origin.cwiseAbs() + domain_->axes.cwiseAbs() * middle_.cwiseAbs());
      }
    } else {
      f.value = Matrix::Zero(stages[s].size, k + 1);
      f.value.col(k) = graph_->bias_[at(s)];
      f.slope_error = Vector::Zero(stages[s].size);
      f.error = graph_->bias_error_[at(s)] + 4 * kEpsilon * graph_->bias_[at(s)].cwiseAbs();
      for (const UnitGraph::Source& source : graph_->sources_[at(s)]) {
        const Forms& from = forms[at(source.stage)];
        const double gamma = static_cast<double>(source.weight.cols() + 8) * kEpsilon;
        f.value.noalias() += source.weight * from.value;
        const Eigen::MatrixXd weight = source.weight.cwiseAbs();
        f.slope_error += weight * (from.slope_error + gamma * from.value.leftCols(k).cwiseAbs().rowwise().maxCoeff());
        f.error += weight * (from.error + gamma * from.value.col(k).cwiseAbs());
      }
      f.slope_error *= 1 + 64 * kEpsilon;
      f.error *= 1 + 64 * kEpsilon;
    }
    const Index first = graph_->first_unit_[at(s)];
    if (first < 0) continue;
    bool open = false;
    for (Index i = 0; i < f.value.rows(); ++i) {
      const UnitGraph::Unit& u = graph_->unit(first + i);
      const signed char piece = pattern[at(first + i)];
      open = open || piece == kEither;
      if (piece == kEither || !u.bends()) continue;
      Eigen::RowVectorXd row = f.value.row(i);
      row[k] -= u.at;
      const double off = f.error[i] + 2 * kEpsilon * (std::abs(row[k]) + std::abs(u.at));
      if (piece == 0) row = -row;
      if (f.slope_error[i] == 0 && row.head(k).cwiseAbs().maxCoeff() == 0) {  // one value everywhere
        rows.contradiction = rows.contradiction || row[k] < -off;
        continue;
      }
      add(row, std::max(f.slope_error[i], off), first + i);
    }
    if (open) break;
    for (Index i = 0; i < f.value.rows(); ++i) {
      const UnitGraph::Unit& u = graph_->unit(first + i);
      const bool above = pattern[at(first + i)] == 1;
      const double slope = above ? u.above : u.below, offset = above ? u.high_offset : u.low_offset;
      if (slope == 1 && offset == 0) continue;
      f.value.row(i) *= slope;
      f.slope_error[i] = std::abs(slope) * f.slope_error[i] +
                         (slope == 0 ? 0 : kEpsilon * f.value.row(i).head(k).cwiseAbs().maxCoeff());
      f.error[i] = std::abs(slope) * f.error[i] + kEpsilon * (std::abs(f.value(i, k)) + 2 * std::abs(offset));
      f.value(i, k) += offset;
    }
  }
  rows.normals.conservativeResize(count, Eigen::NoChange);
  rows.error.conservativeResize(count);
  return rows;
}

LpResult PatternCone::widest(const Rows& rows) {
  ++programs;
  const Index n = size() + 1, count = rows.normals.rows();
  Matrix normals(count, n);
  normals << -rows.normals, Vector::Ones(count);
  DenseLp lp(Halfspaces(std::move(normals), Vector::Zero(count)), wide_box(n));
  return lp.maximize(Vector::Unit(n, n - 1));
}

std::optional<Vector> PatternCone::point_inside(const Pattern& pattern) {
  const Rows rows = rows_of(pattern);
  if (rows.contradiction) return std::nullopt;
  const LpResult result = widest(rows);
  const Vector point = result.x.head(size());
  if (result.objective > kInside && point[size() - 1] > 0) return point;
  return std::nullopt;
}

PatternCone::Answer PatternCone::look(const Pattern& pattern) {
  const Rows rows = rows_of(pattern);
  Answer answer;
  if (rows.contradiction) {
    answer.empty = true;
    return answer;
  }
  const Index n = size() + 1, count = rows.normals.rows();
  const LpResult result = widest(rows);
  const Vector point = result.x.head(n - 1);
  if (result.objective > kInside && point[n - 2] > 0) {
    answer.inside = point;
    return answer;
  }
  answer.empty = proves_empty(rows, result.row_duals);
  if (!answer.empty) {
    ++exact;
    answer.empty = empty_exactly(pattern).value_or(false);
  }
  if (answer.empty) {
    int last = -1;
    for (Index i = 0; i < count; ++i) {
      if (rows.unit[at(i)] >= 0) last = std::max(last, graph_->unit(rows.unit[at(i)]).stage);
    }
    const double least = kSupport * std::max(1.0, result.row_duals.maxCoeff());
    for (Index i = 0; i < count; ++i) {
      const Index unit = rows.unit[at(i)];
      if (unit >= 0 && graph_->unit(unit).stage == last && result.row_duals[i] > least) answer.conflict.push_back(unit);
    }
  } else if (result.objective > 0 && point[n - 2] > 0) {
    answer.inside = point;
  }
  return answer;
}

// Σ_i y_i g_i = 0 with one multiplier set to 1 is a square system; if its matrix is regular and its solution positive,
// for all rows within their errors, the exact rows have such multipliers too.
bool PatternCone::proves_empty(const Rows& rows, const Vector& multipliers) const {
  const Index n = size();
  const double least = kSupport * multipliers.maxCoeff();
  std::vector<Index> support;
  Index largest = 0;
  for (Index i = 0; i < multipliers.size(); ++i) {
    if (!(multipliers[i] > least)) continue;
    if (support.empty() || multipliers[i] > multipliers[support[at(largest)]])
      largest = static_cast<Index>(support.size());
    support.push_back(i);
  }
  // Columns in which every row of the support is exactly 0 are met by any multipliers.
  std::vector<Index> columns;
  for (Index d = 0; d < n; ++d) {
    bool zero = true;
    for (const Index i : support) zero = zero && rows.normals(i, d) == 0 && rows.error[i] == 0;
    if (!zero) columns.push_back(d);
  }
  const auto size = static_cast<Index>(columns.size());
  if (size == 0 || static_cast<Index>(support.size()) != size + 1) return false;
  const Index fixed = support[at(largest)];
  support.erase(support.begin() + largest);
  Eigen::MatrixXd transposed(size, size);  // column i: row support[i]
  Vector target(size);
  double errors = 0;
  for (Index d = 0; d < size; ++d) {
    target[d] = -rows.normals(fixed, columns[at(d)]);
    for (Index i = 0; i < size; ++i) transposed(d, i) = rows.normals(support[at(i)], columns[at(d)]);
  }
  for (const Index i : support) errors += rows.error[i];
  const Eigen::PartialPivLU<Eigen::MatrixXd> lu(transposed);
  const Eigen::MatrixXd inverse = lu.inverse();
  if (!inverse.allFinite()) return false;
  const double gamma = static_cast<double>(2 * size + 8) * kEpsilon;
  const auto norm = [](const Eigen::MatrixXd& m) { return m.cwiseAbs().rowwise().sum().maxCoeff(); };
  const double inverse_norm = norm(inverse) * (1 + gamma);
  const double alpha = norm(Eigen::MatrixXd::Identity(size, size) - inverse * transposed) * (1 + gamma) +
                       inverse_norm * (errors + gamma * norm(transposed));
  if (!(alpha < 0.5)) return false;
  const Vector y = inverse * target;
  const double moved = inverse_norm * (rows.error[fixed] + gamma * target.cwiseAbs().maxCoeff());
  const double doubt = 1.01 * (2 * alpha * (y.cwiseAbs().maxCoeff() + moved) + moved);
  return y.minCoeff() > doubt;
}

std::optional<bool> PatternCone::empty_exactly(const Pattern& pattern) {
  const Index k = domain_->dimension();
  std::vector<std::uint16_t> pieces;
  for (const signed char piece : pattern) pieces.push_back(piece == 1 ? 1 : 0);
  const int open = graph_->first_open_stage(pattern);
  std::vector<WholeRow> rows;
  const auto add = [&](WholeRow row, bool turned) {
    if (turned) {
      for (mpz_class& x : row) x = -x;
    }
    row.emplace_back(1);
    rows.push_back(std::move(row));
  };
  WholeRow one(at(k) + 1);
  one.back() = 1;
  if (!bounded_) add(one, false);
  if (bounded_) {
    for (Index d = 0; d < k; ++d) {
      Vector side = Vector::Zero(k + 1);
      side[d] = 1;
      side[k] = -domain_->box.lower[d];
      add(whole_multiple(side).row, false);
      side[k] = -domain_->box.upper[d];
      add(whole_multiple(side).row, true);
    }
    for (Index r = 0; r < domain_->constraints.size(); ++r) {
      Vector side(k + 1);
      side << domain_->constraints.normals.row(r).transpose(), -domain_->constraints.offsets[r];
      add(whole_multiple(side).row, true);
    }
  }
  for (Index i = 0; i < graph_->units(); ++i) {
    const UnitGraph::Unit& u = graph_->unit(i);
    if (open >= 0 && u.stage > open) break;
    if (pattern[at(i)] == kEither || !u.bends()) continue;
    WholeRow row = exact_->form_of(wall_of(u), pieces).row;
    const bool constant = std::all_of(row.begin(), row.end() - 1, [](const mpz_class& x) { return sgn(x) == 0; });
    if (constant) {
      const int sign = sgn(row.back());
      if (sign != 0 && (sign > 0) != (pattern[at(i)] == 1)) return true;
      continue;
    }
    add(std::move(row), pattern[at(i)] == 0);
  }
  WholeRow target(at(k) + 2);
  target.back() = 1;
  const FarkasAlternative answer = farkas_alternative(rows, target, {}, kExactEffort);
  if (!answer.decided) return std::nullopt;
  return answer.in_cone;
}

bool PatternCone::has_interior(const Pattern& pattern) {
  ++exact;
  const std::optional<bool> empty = empty_exactly(pattern);
  return empty && !*empty;
}

bool PatternCone::is_interior(const VectorRef& point, std::vector<std::uint16_t>& pieces) {
  const Vector t = parameters(point);
  if (!t.allFinite()) return false;
  if (bounded_) {
    if (!(t.array() > domain_->box.lower.array()).all() || !(t.array() < domain_->box.upper.array()).all())
      return false;
    for (Index r = 0; r < domain_->constraints.size(); ++r) {
      if (sign_of_affine(domain_->constraints.normals.row(r).transpose(), -domain_->constraints.offsets[r], t) >= 0)
        return false;
    }
  }
  pieces.assign(at(graph_->units()), 0);
  for (Index i = 0; i < graph_->units(); ++i) {
    const UnitGraph::Unit& u = graph_->unit(i);
    const int sign = exact_->sign_of(wall_of(u), t, pieces);
    if (sign == 0 && u.bends() && !exact_->is_constant(wall_of(u), pieces)) return false;
    pieces[at(i)] = sign > 0 ? 1 : 0;
  }
  return true;
}

}  // namespace unrect
