#include "unrect/partition/internal/facet_walk.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "unrect/base/internal/at.hpp"
#include "unrect/partition/internal/doubt.hpp"

namespace unrect {
namespace {

// The most steps of a walk over vertices, for each open candidate.
constexpr std::size_t kSteps = 8;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

}  // namespace

const std::vector<unsigned char>& FacetWalk::bounding(const HalfspaceCell& cell, const Vector* center,
                                                      const HalfspaceOracle& oracle) {
  k_ = box_.lower.size();
  cell_ = &cell;
  sides_.lay_out(cell, walls_, k_);
  for (Vector* of_sides : {&slack_, &rate_, &there_}) of_sides->resize(sides_.width());
  bounding_.assign(at(2 * k_ + sides_.size()), 0);
  open_.clear();
  for (Index c = 0; c < 2 * k_ + sides_.size(); ++c) {
    if (is_box(c) && cell.clear != nullptr && cell.clear[c] != 0) continue;
    if (!proofs_.holds(key_of(c), cell)) open_.push_back(c);
  }
  if (open_.empty()) return bounding_;
  program_.follow(cell);
  walk();
  for (const Index c : open_) {
    if (bounding_[at(c)] == 0) bounding_[at(c)] = decide(c, center, oracle) ? 1 : 0;
  }
  return bounding_;
}

// The statement that the candidate does not bound the cell: that its form is nowhere negative, if it were left out.
std::uint64_t FacetWalk::key_of(Index candidate) const {
  if (is_box(candidate)) return ProofCache::key_of_box(candidate);
  const Side& side = cell_->sides[at(candidate - 2 * k_)];
  return ProofCache::key_of(walls_.of(side).id, -side.sign);
}

Index FacetWalk::first_side() const {
  constexpr Index kLanes = VertexDictionary::kLanes;
  return (2 * k_ + kLanes - 1) / kLanes * kLanes;
}

Index FacetWalk::row_of(Index candidate) const {
  if (!is_box(candidate)) return candidate - 2 * k_ + first_side();
  return candidate % 2 == 0 ? candidate / 2 : candidate / 2 + k_;
}

Index FacetWalk::candidate_of(Index row) const {
  if (row >= first_side()) return row - first_side() + 2 * k_;
  return row < k_ ? 2 * row : 2 * (row - k_) + 1;
}

// From one vertex of the cell to others, to settle open candidates: a wall that vanishes at a vertex bounds the cell if
// a point next to the vertex shows it; one whose slack is least, and positive, does not if the multipliers prove it.
void FacetWalk::walk() {
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
        settled = shows_redundant(candidate);
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

// The dictionary of the vertex where the first open candidate's slack is least; slacks are distances.
bool FacetWalk::find_vertex() {
  const Index first = open_.front();
  toward_.setZero(k_);
  if (is_box(first)) {
    toward_[first / 2] = first % 2 == 0 ? 1 : -1;
  } else {
    toward_ = sides_.normal(first - 2 * k_);
  }
  DenseLp& program = program_.lp();
  const LpResult& lp = program.minimize(toward_, DenseLp::Start::kLastBasis);
  if (lp.status != LpStatus::kOptimal) return false;
  const Index sides = first_side();
  dictionary_.reset(k_, sides + sides_.width());
  sides_.values_at(lp.x.data(), slack_.data());
  for (Index d = 0; d < k_; ++d) {
    dictionary_.slack(d) = lp.x[d] - box_.lower[d];
    dictionary_.slack(k_ + d) = box_.upper[d] - lp.x[d];
  }
  for (Index i = 0; i < sides_.size(); ++i) dictionary_.slack(sides + i) = slack_[i] * sides_.scale(i);
  const Matrix inverse = program.basis_inverse();
  for (Index b = 0; b < k_; ++b) {
    const Index basic = program.basis()[at(b)];
    inward_ = -inverse.col(b);
    if (basic >= 0) inward_ /= sides_.scale(basic);
    double* column = dictionary_.column(b);
    for (Index d = 0; d < k_; ++d) {
      column[d] = inward_[d];
      column[k_ + d] = -inward_[d];
    }
    sides_.rates_of(inward_.data(), rate_.data());
    for (Index i = 0; i < sides_.size(); ++i) column[sides + i] = rate_[i] * sides_.scale(i);
  }
  for (Index b = 0; b < k_; ++b) {
    const Index basic = program.basis()[at(b)];
    dictionary_.set_wall(b, basic >= 0 ? sides + basic : (-1 - basic) / 2 + (basic % 2 != 0 ? k_ : 0));
  }
  return true;
}

// Every wall at a vertex where no more than k of them meet bounds the cell: points next to the vertex show it.
void FacetWalk::look_around() {
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

// Whether the row's entries, as multipliers y ≥ 0 of the cell's sides that vanish at the vertex, prove that the
// candidate's slack is positive all over the cell: slack = Σ y_i side_i + (what is left over), whose least value over
// the box is `bound`. Errors of all forms are charged, and the roundings: no number in `bound` went through more than 2
// k + 8 operations, which lose (2 k + 8) u of their sizes' sum, `total`; four times that is taken.
bool FacetWalk::shows_redundant(Index candidate) {
  used_.clear();
  double bound = 0;
  double error = 0;
  double scale = 1;
  if (is_box(candidate)) {
    const double sense = candidate % 2 == 0 ? 1 : -1;
    toward_.setZero(k_);
    toward_[candidate / 2] = sense;
    bound = -sense * (sense > 0 ? box_.lower : box_.upper)[candidate / 2];
  } else {
    const Index i = candidate - 2 * k_;
    toward_ = sides_.normal(i);
    bound = sides_.constant(i);
    error = sides_.error(i);
    scale = sides_.scale(i);
  }
  double total = std::abs(bound);
  inward_ = toward_.cwiseAbs();
  for (Index b = 0; b < k_; ++b) {
    const Index other = candidate_of(dictionary_.wall(b));
    const double entry = dictionary_.entry(row_of(candidate), b);
    if (is_box(other) || !(entry > 0)) continue;
    const Index i = other - 2 * k_;
    const double y = entry * sides_.scale(i) / scale;
    toward_ -= y * sides_.normal(i);
    inward_ += y * sides_.normal(i).cwiseAbs();
    bound -= y * sides_.constant(i);
    total += y * std::abs(sides_.constant(i));
    error += kRoundedUp * y * sides_.error(i);
    used_.push_back(cell_->sides[at(i)]);
  }
  bound += toward_.cwiseProduct(box_.lower).cwiseMin(toward_.cwiseProduct(box_.upper)).sum();
  total += inward_.dot(box_.lower.cwiseAbs().cwiseMax(box_.upper.cwiseAbs()));
  if (!(bound > error + 4 * static_cast<double>(k_ + 8) * kEpsilon * (total + error))) return false;
  proofs_.remember(key_of(candidate), used_, walls_);
  return true;
}

// What the walk leaves open is decided exactly. A program over the cell comes first: the cell may stay clear of the
// candidate. Then one without the candidate: how far would the cell go on? And at last rationals.
bool FacetWalk::decide(Index candidate, const Vector* center, const HalfspaceOracle& oracle) {
  const HalfspaceCell& cell = *cell_;
  const bool box = is_box(candidate);
  const Index d = candidate / 2;
  const Index row = candidate - 2 * k_;
  const int sense = candidate % 2 == 0 ? -1 : 1;
  const Side side = box ? Side{static_cast<int>(candidate), -sense} : cell.sides[at(row)];
  const double error = walls_.of(side).error;
  double constant = 0;
  if (box) {
    toward_ = -sense * Vector::Unit(k_, d);
    constant = sense * (sense < 0 ? box_.lower : box_.upper)[d];
  } else {
    toward_ = sides_.normal(row);
    constant = sides_.constant(row);
  }
  DenseLp& program = program_.lp();
  const LpResult& lp = program.minimize(toward_, DenseLp::Start::kLastBasis);  // the last one's, always
  if ((box || lp.row_duals[row] == 0) && program_.proves(cell, lp, constant, error, used_)) {
    proofs_.remember(key_of(candidate), used_, walls_);
    return false;
  }
  if (box) {
    Box wider = box_;
    (sense < 0 ? wider.lower : wider.upper)[d] += sense * (box_.upper[d] - box_.lower[d]);
    program.set_box(std::move(wider));
    program.minimize(toward_, DenseLp::Start::kLastBasis);
    program.set_box(box_);
  } else {
    program.enable_row(row, false);
    program.minimize(toward_, DenseLp::Start::kLastBasis);
    program.enable_row(row, true);
    // The walls' errors hold within the box: for a side of it this would be no proof.
    if (program_.proves(cell, lp, constant, error, used_)) {
      proofs_.remember(key_of(candidate), used_, walls_);
      return false;
    }
  }
  const double there = lp.objective + constant;
  if (lp.status == LpStatus::kOptimal && there < 0 && center != nullptr) {
    const double crossing = there / (there - (toward_.dot(*center) + constant));
    point_ = lp.x + (box ? crossing : 0.5 * crossing) * (*center - lp.x);
    if (is_beyond(candidate)) return true;
  }
  std::vector<Side> others(cell.sides.begin(), cell.sides.end());
  if (!box) others.erase(others.begin() + static_cast<std::ptrdiff_t>(row));
  return oracle(side.wall, -side.sign, others);
}

// Whether point_ shows that a candidate bounds the cell: outside of it, inside of all others; for a side of the box,
// moved onto it.
bool FacetWalk::is_beyond(Index candidate) {
  for (Index d = 0; d < k_; ++d) {
    if (candidate / 2 == d) {
      point_[d] = (candidate % 2 == 0 ? box_.lower : box_.upper)[d];
    } else if (!(point_[d] > box_.lower[d] && point_[d] < box_.upper[d])) {
      return false;
    }
  }
  sides_.values_at(point_.data(), there_.data());
  Index inside = 0;
  for (Index i = 0; i < there_.size(); ++i) inside += there_[i] > sides_.error(i) ? 1 : 0;
  if (is_box(candidate)) return inside == there_.size();
  const Index row = candidate - 2 * k_;
  return inside + 1 == there_.size() && there_[row] < -sides_.error(row);
}

}  // namespace unrect
