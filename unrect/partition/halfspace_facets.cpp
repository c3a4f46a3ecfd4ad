// Which sides of a half-space cell bound it, in k − 1 dimensions.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "unrect/partition/internal/halfspace_cell.hpp"

namespace unrect {
namespace {

constexpr Index kLanes = VertexDictionary::kLanes;
// A walk over vertices ends after so many for each open candidate.
constexpr std::size_t kSteps = 8;
using LaneArray = Eigen::Array<double, kLanes, 1>;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

// The cell's sides, as the functions that follow read them.
void HalfspaceGeometry::lay_out(const Cell& cell) {
  sides_ = static_cast<Index>(cell.sides.size());
  const Index width = (sides_ + kLanes - 1) / kLanes * kLanes;
  columns_.resize(k_ + 1, width);
  errors_.resize(width);
  slack_.resize(width);
  rate_.resize(width);
  there_.resize(width);
  scale_.resize(width);
  for (Index i = 0; i < width; ++i) {
    if (i >= sides_) {
      for (Index d = 0; d < k_; ++d) columns_(d, i) = 0;
      columns_(k_, i) = 1;
      errors_[i] = 0;
      continue;
    }
    const Side& side = cell.sides[at(i)];
    const WallForm& wall = wall_of(side);
    for (Index d = 0; d <= k_; ++d) columns_(d, i) = side.sign * wall.form[at(d)];
    errors_[i] = wall.error;
    scale_[i] = wall.scale;
  }
}

void HalfspaceGeometry::values_at(const double* point, double* out) const {
  const Index width = columns_.cols();
  for (Index i = 0; i < width; i += kLanes) {
    const double* column = columns_.data() + i;
    LaneArray sum = Eigen::Map<const LaneArray>(column + k_ * width);
    for (Index d = 0; d < k_; ++d) sum += point[d] * Eigen::Map<const LaneArray>(column + d * width);
    Eigen::Map<LaneArray>(out + i) = sum;
  }
}

void HalfspaceGeometry::rates_of(const double* direction, double* out) const {
  const Index width = columns_.cols();
  for (Index i = 0; i < width; i += kLanes) {
    const double* column = columns_.data() + i;
    LaneArray sum = LaneArray::Zero();
    for (Index d = 0; d < k_; ++d) sum += direction[d] * Eigen::Map<const LaneArray>(column + d * width);
    Eigen::Map<LaneArray>(out + i) = sum;
  }
}

std::vector<int> HalfspaceGeometry::facets(const Cell& cell, const Judge& judge) {
  wants_facets_ = true;
  find_facets(cell, judge);
  std::vector<int> out;
  for (Index w = 0; w < 2 * k_ + sides_; ++w) {
    if (bounding_[at(w)] != 0) out.push_back(static_cast<int>(w < 2 * k_ ? w : cell.sides[at(w - 2 * k_)].wall));
  }
  return out;
}

HalfspaceCell HalfspaceGeometry::pruned(Arena& arena, const Cell& cell, const Judge& judge) {
  find_facets(cell, judge);
  const auto box = at(2 * k_);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < cell.sides.size(); ++i) kept += bounding_[box + i];
  Cell out = make(arena, kept);
  std::copy_n(cell.coordinates, k_ * kPoints, out.coordinates);
  *out.points = *cell.points;
  std::size_t next = 0;
  for (std::size_t i = 0; i < cell.sides.size(); ++i) {
    if (bounding_[box + i] == 0) continue;
    const_cast<Side&>(out.sides[next]) = cell.sides[i];
    const_cast<std::uint64_t&>(out.keys[next]) = cell.keys[i];
    out.signature |= bit_of(cell.keys[i]);
    ++next;
  }
  unsigned char* const clear = arena.take<unsigned char>(box);
  for (std::size_t c = 0; c < box; ++c) clear[c] = bounding_[c] == 0 ? 1 : 0;
  out.clear = clear;
  return out;
}

// Into bounding_.
void HalfspaceGeometry::find_facets(const Cell& cell, const Judge& judge) {
  lay_out(cell);
  bounding_.assign(at(2 * k_ + sides_), 0);
  find_center(cell);
  open_.clear();
  for (Index c = 0; c < 2 * k_ + sides_; ++c) {
    if (cell.clear != nullptr && c < 2 * k_ && cell.clear[c] != 0) continue;
    if (!proved_before(cell, key_of(cell, c))) open_.push_back(c);
  }
  if (open_.empty()) return;
  follow(cell);
  walk(cell);
  for (const Index c : open_) {
    if (bounding_[at(c)] == 0) bounding_[at(c)] = bounds(cell, c, judge) ? 1 : 0;
  }
}

Index HalfspaceGeometry::first_side() const { return (2 * k_ + kLanes - 1) / kLanes * kLanes; }

Index HalfspaceGeometry::row_of(Index candidate) const {
  if (candidate >= 2 * k_) return candidate - 2 * k_ + first_side();
  return candidate % 2 == 0 ? candidate / 2 : candidate / 2 + k_;
}

Index HalfspaceGeometry::candidate_of(Index row) const {
  if (row >= first_side()) return row - first_side() + 2 * k_;
  return row < k_ ? 2 * row : 2 * (row - k_) + 1;
}

// From one vertex of the cell to others, to settle open candidates: a wall that vanishes at a vertex bounds the cell if
// a point next to the vertex shows it; one whose slack is least, and positive, does not if the multipliers prove it.
void HalfspaceGeometry::walk(const Cell& cell) {
  if (!find_vertex()) return;
  left_.clear();
  look_around();
  std::size_t steps = kSteps * open_.size();
  while (!open_.empty()) {
    std::erase_if(open_, [&](Index c) { return bounding_[at(c)] != 0; });
    std::size_t next = open_.size();
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (next == open_.size() || dictionary_.slack(row_of(open_[i])) < dictionary_.slack(row_of(open_[next])))
        next = i;
    }
    if (next == open_.size()) break;
    const Index candidate = open_[next];
    const Index row = row_of(candidate);
    bool settled = false;
    while (steps > 0 && !dictionary_.vanishes(row)) {
      const Index edge = dictionary_.falling(row);
      if (edge == VertexDictionary::kNone) {
        settled = shows_redundant(cell, candidate);
        break;
      }
      const Index hit = dictionary_.first_hit(edge);
      if (hit == VertexDictionary::kNone) break;
      dictionary_.pivot(edge, hit);
      --steps;
      if (bounding_[at(candidate_of(hit))] == 0) look_around();
    }
    if (!settled && bounding_[at(candidate)] == 0) left_.push_back(candidate);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(next));
  }
  std::swap(open_, left_);
}

// The dictionary of the vertex where the first open candidate's slack is least; slacks are distances. Its rows: t_d −
// lower_d, upper_d − t_d for all d, from first_side() on the cell's sides.
bool HalfspaceGeometry::find_vertex() {
  const Index first = open_.front();
  toward_.setZero(k_);
  if (first < 2 * k_) {
    toward_[first / 2] = first % 2 == 0 ? 1 : -1;
  } else {
    toward_ = columns_.col(first - 2 * k_).head(k_);
  }
  const LpResult& lp = lp_->minimize(toward_, DenseLp::Start::kLastBasis);
  if (lp.status != LpStatus::kOptimal) return false;
  const Index sides = first_side();
  dictionary_.reset(k_, sides + columns_.cols());
  values_at(lp.x.data(), slack_.data());
  for (Index d = 0; d < k_; ++d) {
    dictionary_.slack(d) = lp.x[d] - box_.lower[d];
    dictionary_.slack(k_ + d) = box_.upper[d] - lp.x[d];
  }
  for (Index i = 0; i < sides_; ++i) dictionary_.slack(sides + i) = slack_[i] * scale_[i];
  const Matrix inverse = lp_->basis_inverse();
  for (Index b = 0; b < k_; ++b) {
    const Index basic = lp_->basis()[at(b)];
    inward_ = -inverse.col(b);
    if (basic >= 0) inward_ /= scale_[basic];
    double* column = dictionary_.column(b);
    for (Index d = 0; d < k_; ++d) {
      column[d] = inward_[d];
      column[k_ + d] = -inward_[d];
    }
    rates_of(inward_.data(), rate_.data());
    for (Index i = 0; i < sides_; ++i) column[sides + i] = rate_[i] * scale_[i];
  }
  for (Index b = 0; b < k_; ++b) {
    const Index basic = lp_->basis()[at(b)];
    dictionary_.set_wall(b, basic >= 0 ? sides + basic : (-1 - basic) / 2 + (basic % 2 != 0 ? k_ : 0));
  }
  return true;
}

// Every wall at a vertex where no more than k of them meet bounds the cell: points next to the vertex show it.
void HalfspaceGeometry::look_around() {
  const double step = 0.5 * dictionary_.room();
  inward_ = box_.lower;
  for (Index d = 0; d < k_; ++d) inward_[d] += dictionary_.slack(d);
  for (Index b = 0; b < k_; ++b) inward_ += step * Eigen::Map<const Vector>(dictionary_.column(b), k_);
  for (Index b = 0; b < k_; ++b) {
    const Index candidate = candidate_of(dictionary_.wall(b));
    if (bounding_[at(candidate)] != 0) continue;
    point_ = inward_ - 2 * step * Eigen::Map<const Vector>(dictionary_.column(b), k_);
    if (is_beyond(candidate)) bounding_[at(candidate)] = 1;
  }
}

// Whether the row's entries, as multipliers of the walls that vanish, prove that the candidate's slack is positive all
// over the cell, with all errors charged.
bool HalfspaceGeometry::shows_redundant(const Cell& cell, Index candidate) {
  likely_.clear();
  const bool box = candidate < 2 * k_;
  double bound = 0;
  double error = 0;
  double scale = 1;
  if (box) {
    const double sense = candidate % 2 == 0 ? 1 : -1;
    toward_.setZero(k_);
    toward_[candidate / 2] = sense;
    bound = -sense * (sense > 0 ? box_.lower : box_.upper)[candidate / 2];
  } else {
    const Index i = candidate - 2 * k_;
    toward_ = columns_.col(i).head(k_);
    bound = columns_(k_, i);
    error = errors_[i];
    scale = scale_[i];
  }
  double total = std::abs(bound);
  inward_ = toward_.cwiseAbs();
  for (Index b = 0; b < k_; ++b) {
    const Index other = candidate_of(dictionary_.wall(b));
    const double entry = dictionary_.entry(row_of(candidate), b);
    if (other < 2 * k_ || !(entry > 0)) continue;
    const Index i = other - 2 * k_;
    const double y = entry * scale_[i] / scale;
    const auto normal = columns_.col(i).head(k_);
    toward_ -= y * normal;
    inward_ += y * normal.cwiseAbs();
    bound -= y * columns_(k_, i);
    total += y * std::abs(columns_(k_, i));
    error += 1.01 * y * errors_[i];
    likely_.push_back(cell.sides[at(i)]);
  }
  bound += toward_.cwiseProduct(box_.lower).cwiseMin(toward_.cwiseProduct(box_.upper)).sum();
  total += inward_.dot(box_.lower.cwiseAbs().cwiseMax(box_.upper.cwiseAbs()));
  if (!(bound > error + 4 * static_cast<double>(k_ + 8) * kEpsilon * (total + error))) return false;
  remember(key_of(cell, candidate));
  return true;
}

// That the candidate does not bound the cell, as a proof's key.
std::uint64_t HalfspaceGeometry::key_of(const Cell& cell, Index candidate) const {
  if (candidate < 2 * k_) return kBoxKeys + static_cast<std::uint64_t>(candidate);
  const Side& side = cell.sides[at(candidate - 2 * k_)];
  return key_of(wall_of(side).id, -side.sign);
}

// What a walk leaves open, exactly. First a program over the cell: it may stay clear of the candidate. Then one without
// the candidate: how far would the cell go on? And at last rationals.
bool HalfspaceGeometry::bounds(const Cell& cell, Index candidate, const Judge& judge) {
  const bool box = candidate < 2 * k_;
  const Index d = candidate / 2;
  const Index row = candidate - 2 * k_;
  const int sense = candidate % 2 == 0 ? -1 : 1;
  const Side side = box ? Side{static_cast<int>(candidate), -sense} : cell.sides[at(row)];
  const WallForm& wall = wall_of(side);
  const std::uint64_t key = key_of(cell, candidate);
  double constant = 0;
  if (box) {
    toward_ = -sense * Vector::Unit(k_, d);
    constant = sense * (sense < 0 ? box_.lower : box_.upper)[d];
  } else {
    toward_ = columns_.col(row).head(k_);
    constant = columns_(k_, row);
  }
  const LpResult& lp = lp_->minimize(toward_, DenseLp::Start::kLastBasis);  // the last one's, always
  if ((box || lp.row_duals[row] == 0) && proves(cell, lp, constant, wall.error)) {
    remember(key);
    return false;
  }
  if (box) {
    Box wider = box_;
    (sense < 0 ? wider.lower : wider.upper)[d] += sense * (box_.upper[d] - box_.lower[d]);
    lp_->set_box(std::move(wider));
    lp_->minimize(toward_, DenseLp::Start::kLastBasis);
    lp_->set_box(box_);
  } else {
    lp_->enable_row(row, false);
    lp_->minimize(toward_, DenseLp::Start::kLastBasis);
    lp_->enable_row(row, true);
    // The walls' errors hold within the box: for a side of it this would be no proof.
    if (proves(cell, lp, constant, wall.error)) {
      remember(key);
      return false;
    }
  }
  const double there = lp.objective + constant;
  if (lp.status == LpStatus::kOptimal && there < 0 && count_of(cell) > 0) {
    const double crossing = there / (there - (toward_.dot(center_) + constant));
    point_ = lp.x + (box ? crossing : 0.5 * crossing) * (center_ - lp.x);
    if (is_beyond(candidate)) return true;
  }
  std::vector<Side> others(cell.sides.begin(), cell.sides.end());
  if (!box) others.erase(others.begin() + static_cast<std::ptrdiff_t>(row));
  return judge(side.wall, -side.sign, others);
}

// Whether point_ shows that a wall bounds the cell: outside of it, inside of all others; for a side of the box, on it.
bool HalfspaceGeometry::is_beyond(Index candidate) {
  for (Index d = 0; d < k_; ++d) {
    if (candidate / 2 == d) {
      point_[d] = (candidate % 2 == 0 ? box_.lower : box_.upper)[d];
    } else if (!(point_[d] > box_.lower[d] && point_[d] < box_.upper[d])) {
      return false;
    }
  }
  values_at(point_.data(), there_.data());
  Index inside = 0;
  for (Index i = 0; i < there_.size(); ++i) inside += there_[i] > errors_[i] ? 1 : 0;
  if (candidate < 2 * k_) return inside == there_.size();
  const Index row = candidate - 2 * k_;
  return inside + 1 == there_.size() && there_[row] < -errors_[row];
}

}  // namespace unrect
