#include "unrect/bounds/internal/slope_ranges.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
// What underflows on the way is less.
constexpr double kTiny = 1e-290;
constexpr double kLargest = 1e290;  // beyond it nothing is claimed

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Index padded(Index n) { return (n + Forms::kLane - 1) / Forms::kLane * Forms::kLane; }

Matrix columns_of(const Link& link, Index sources, Index size) {
  if (link.dense()) return link.columns;
  Matrix columns = Matrix::Zero(sources, padded(size));
  for (Index j = 0; j < sources; ++j) {
    for (Index e = link.start[at(j)]; e < link.start[at(j) + 1]; ++e) columns(j, link.row[at(e)]) += link.weight[at(e)];
  }
  return columns;
}

}  // namespace

SlopeRanges::SlopeRanges(const Stages& stages, const Domain& domain)
    : stages_(&stages), domain_(&domain), k_(domain.dimension()), filters_(filters_of(stages, domain)) {
  last_reader_.assign(at(stages.size()), 0);
  weights_.resize(at(stages.size()));
  level_.resize(at(stages.size()));
  for (int s = 0; s < stages.size(); ++s) {
    for (const Link& link : stages[s].links) {
      last_reader_[at(link.source)] = s;
      Weights weights;
      weights.plain = columns_of(link, stages[link.source].units(), stages[s].size);
      weights.absolute = weights.plain.cwiseAbs();
      weights_[at(s)].push_back(std::move(weights));
    }
  }
  reach_.resize(k_ + 1);
  reach_ << domain.box.lower.cwiseAbs().cwiseMax(domain.box.upper.cwiseAbs()), 1;
  output_error_ = filters_.back().gradient_error.head(stages[stages.size() - 1].size);
}

bool SlopeRanges::over(const EnteredCell& cell, MatrixRange& slopes) {
  overflow_ = false;
  const int last = stages_->size() - 1;
  for (int s = cell.stage; s < last; ++s) {
    if ((*stages_)[s].maximum() != nullptr) return false;
  }
  for (int s = 0; s < cell.stage; ++s) {
    if (last_reader_[at(s)] > cell.stage) settled(s, cell);
  }
  start(cell);
  for (int s = cell.stage + 1; s <= last; ++s) {
    sum(s);
    if (s < last) activate(s, cell);
  }
  const Level& y = level_[at(last)];
  const Index outputs = (*stages_)[last].size;
  slopes.center = y.center.topLeftCorner(k_, outputs).transpose();
  slopes.radius = y.radius.topLeftCorner(k_, outputs).transpose();
  return !overflow_;
}

// A stage behind the cell's, which a later one still reads.
void SlopeRanges::settled(int s, const EnteredCell& cell) {
  const Stage& stage = (*stages_)[s];
  const Forms& z = cell.forms.of(s);
  const StageFilter& filter = filters_[at(s)];
  Level& a = level_[at(s)];
  a.center = Matrix::Zero(k_ + 1, padded(stage.units()));
  a.radius = a.center;
  for (Index i = 0; i < stage.units(); ++i) {
    Index from = i;
    double slope = 1, offset = 0;
    if (const Piecewise* f = stage.piecewise()) {
      const Index row = f->row_of(i), piece = cell.forms.piece(s, i);
      slope = f->slopes(row, piece);
      offset = f->offsets(row, piece);
    } else if (const Maximum* m = stage.maximum()) {
      from = m->index[at(i * m->width + cell.forms.piece(s, i))];
    }
    double size = std::abs(offset);
    for (Index d = 0; d <= k_; ++d) {
      a.center(d, i) = slope * z.row(d)[from] + (d == k_ ? offset : 0);
      a.radius(d, i) = std::abs(slope) * (d < k_ ? filter.gradient_error[from] : filter.error[from]) +
                       kEpsilon * std::abs(a.center(d, i)) + kTiny;
      size += std::abs(slope * z.row(d)[from]) * reach_[d];
    }
    a.radius(k_, i) += 4 * kEpsilon * size;
  }
}

// The cell's own stage: exact forms up to rounding.
void SlopeRanges::start(const EnteredCell& cell) {
  const int s = cell.stage;
  const Stage& stage = (*stages_)[s];
  const Forms& z = cell.forms.of(s);
  const StageFilter& filter = filters_[at(s)];
  Level& level = level_[at(s)];
  const Index width = padded(stage.size);
  level.center.resize(k_ + 1, width);
  level.radius.resize(k_ + 1, width);
  for (Index d = 0; d <= k_; ++d) {
    level.center.row(d) = Eigen::Map<const Eigen::RowVectorXd>(z.row(d), width);
    level.radius.row(d) = (d < k_ ? filter.gradient_error : filter.error).transpose();
  }
  if (stage.piecewise() == nullptr) return;  // affine
  // Units that straddle, over the cell; the others know their pieces.
  std::vector<char> straddles(at(stage.size), 0);
  for (const Index i : cell.forms.straddling(s)) straddles[at(i)] = 1;
  activate(s, cell);
  const Piecewise& f = *stage.piecewise();
  for (Index i = 0; i < stage.size; ++i) {
    if (straddles[at(i)] != 0) continue;
    const Index row = f.row_of(i), piece = cell.forms.piece(s, i);
    const double slope = f.slopes(row, piece), offset = f.offsets(row, piece);
    double size = std::abs(offset);
    for (Index d = 0; d <= k_; ++d) {
      level.center(d, i) = slope * z.row(d)[i] + (d == k_ ? offset : 0);
      level.radius(d, i) = std::abs(slope) * (d < k_ ? filter.gradient_error[i] : filter.error[i]);
      if (slope != 0 && slope != 1) level.radius(d, i) += kEpsilon * std::abs(level.center(d, i)) + kTiny;
      size += std::abs(slope * z.row(d)[i]) * reach_[d];
    }
    if (offset != 0 || (slope != 0 && slope != 1)) level.radius(k_, i) += 4 * kEpsilon * size;
  }
}

void SlopeRanges::sum(int s) {
  const Stage& stage = (*stages_)[s];
  Level& z = level_[at(s)];
  const Index width = padded(stage.size);
  z.center = Matrix::Zero(k_ + 1, width);
  z.radius = Matrix::Zero(k_ + 1, width);
  double terms = 8 + static_cast<double>(stage.biases.size());
  for (const Link& link : stage.links) terms += static_cast<double>((*stages_)[link.source].units());
  const double gamma = terms * kEpsilon;
  for (std::size_t l = 0; l < stage.links.size(); ++l) {
    const Level& a = level_[at(stage.links[l].source)];
    const Weights& w = weights_[at(s)][l];
    const Index sources = w.plain.rows();
    // Radii grow by the rounding of their own sums, and by that of the centers'; a value's by that of all its terms.
    inflated_ = a.radius.leftCols(sources) * (1 + 4 * gamma) + 2 * gamma * a.center.leftCols(sources).cwiseAbs();
    inflated_.row(k_) += 2 * gamma * (reach_.head(k_).transpose() * a.center.topLeftCorner(k_, sources).cwiseAbs());
    inflated_.array() += kTiny;
    z.center.noalias() += a.center.leftCols(sources) * w.plain;
    z.radius.noalias() += inflated_ * w.absolute;
  }
  for (const Vector& bias : stage.biases) {
    z.center.row(k_).head(stage.size) += bias.transpose();
    z.radius.row(k_).head(stage.size) += 2 * gamma * bias.cwiseAbs().transpose();
  }
}

void SlopeRanges::activate(int s, const EnteredCell& cell) {
  const Stage& stage = (*stages_)[s];
  if (stage.piecewise() == nullptr) return;
  Level& level = level_[at(s)];
  const Index width = level.center.cols();
  const auto forms = level.center.array();
  if (cell.vertices.count > 0) {
    const PointRows& v = cell.vertices;
    low_.setConstant(width, std::numeric_limits<double>::infinity());
    high_.setConstant(width, -std::numeric_limits<double>::infinity());
    for (Index p = 0; p < v.count; ++p) {
      value_ = forms.row(k_);
      for (Index d = 0; d < k_; ++d) value_ += v.rows[d * v.stride + p] * forms.row(d);
      low_ = low_.min(value_);
      high_ = high_.max(value_);
    }
  } else {
    low_ = forms.row(k_);
    high_ = low_;
    for (Index d = 0; d < k_; ++d) {
      low_ += (domain_->box.lower[d] * forms.row(d)).min(domain_->box.upper[d] * forms.row(d));
      high_ += (domain_->box.lower[d] * forms.row(d)).max(domain_->box.upper[d] * forms.row(d));
    }
  }
  // e, the vertices' displacement, and the rounding of the evaluation.
  value_ = level.radius.row(k_).array() + 2 * static_cast<double>(k_ + 4) * kEpsilon * forms.row(k_).abs() + kTiny;
  for (Index d = 0; d < k_; ++d)
    value_ += (cell.delta + 2 * static_cast<double>(k_ + 4) * kEpsilon * reach_[d]) * forms.row(d).abs();
  low_ -= value_;
  high_ += value_;
  for (Index i = 0; i < stage.size; ++i) hand_on(s, i, low_[i], high_[i]);
}

void SlopeRanges::hand_on(int s, Index i, double low, double high) {
  const Piecewise& f = *(*stages_)[s].piecewise();
  Level& level = level_[at(s)];
  const Index row = f.row_of(i);
  if (!(high - low < kLargest)) overflow_ = true;
  const Index first = f.piece(i, low), end = f.piece(i, high);
  double least = f.slopes(row, first), most = least;
  for (Index p = first + 1; p <= end; ++p) {
    least = std::min(least, f.slopes(row, p));
    most = std::max(most, f.slopes(row, p));
  }
  if (first == end && (least == 0 || least == 1) && f.offsets(row, first) == 0) {
    if (least == 0) {
      level.center.col(i).setZero();
      level.radius.col(i).setZero();
    }
    return;
  }
  const double middle = 0.5 * (least + most), half = 0.5 * (most - least) * (1 + 4 * kEpsilon);
  // f(z) − middle z over [low, high] is between its values at the ends and breaks.
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest, size = 0;
  const auto visit = [&](double z, Index piece) {
    const double part = f.slopes(row, piece) * z, value = part + f.offsets(row, piece) - middle * z;
    size = std::max(size, std::abs(part) + std::abs(f.offsets(row, piece)) + std::abs(middle * z));
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  };
  visit(low, first);
  visit(high, end);
  for (Index p = first; p < end; ++p) visit(f.breaks(row, p), p);
  double total = 0;
  for (Index d = 0; d < k_; ++d) {
    const double c = level.center(d, i), r = level.radius(d, i);
    total += std::abs(c) * reach_[d];
    level.center(d, i) = middle * c;
    level.radius(d, i) = (std::abs(middle) * r + half * (std::abs(c) + r)) * (1 + 8 * kEpsilon) +
                         2 * kEpsilon * std::abs(middle * c) + kTiny;
  }
  const double c = level.center(k_, i);
  total += std::abs(c);
  level.center(k_, i) = middle * c + 0.5 * (lowest + highest);
  level.radius(k_, i) = (std::abs(middle) * level.radius(k_, i) + 0.5 * (highest - lowest)) * (1 + 8 * kEpsilon) +
                        8 * kEpsilon * (size + std::abs(middle) * total) + kTiny;
}

}  // namespace unrect
