#include "unrect/partition/internal/halfspace_cell.hpp"

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>

#include "unrect/base/internal/at.hpp"
#include "unrect/partition/internal/doubt.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// A program stops where its optimum is known to be so many times the form's own error beyond 0. The walls' errors, of a
// like size, are charged with their multipliers; up to a thousand of them together, the proof is there. A choice of
// speed: where it is not there, the program goes on.
constexpr double kMargin = 1e3;

// From so many dimensions on a program's pivots are dearer than steps of affine scaling, of which no more than kSteps
// are taken, and none once a step gains less than kLeastGain of what is missing: the program decides then.
constexpr Index kManyDimensions = 32;
constexpr int kSteps = 100;
constexpr double kLeastGain = 1e-7;

}  // namespace

HalfspaceGeometry::HalfspaceGeometry(Index dimension)
    : k_(dimension),
      program_(walls_),
      proofs_(dimension),
      facets_(box_, walls_, program_, proofs_),
      value_(kPoints),
      point_(dimension),
      center_(dimension),
      cost_(dimension) {}

HalfspaceCell HalfspaceGeometry::make(Arena& arena, std::size_t sides) const {
  Cell cell;
  cell.sides = {arena.take<Side>(sides), sides};
  cell.keys = {arena.take<std::uint64_t>(sides), sides};
  cell.coordinates = arena.take<double>(at(k_ * kPoints));
  std::fill_n(cell.coordinates, k_ * kPoints, 0.0);
  cell.points = arena.take<HalfspaceCell::Points>(1);
  *cell.points = {};
  return cell;
}

HalfspaceCell HalfspaceGeometry::box(Arena& arena, const double* lower, const double* upper) {
  box_ = Box(Eigen::Map<const Vector>(lower, k_), Eigen::Map<const Vector>(upper, k_));
  program_.reset(box_);
  walls_.reset(k_);
  Cell cell = make(arena, 0);
  point_ = 0.5 * box_.lower + 0.5 * box_.upper;
  if (is_inside(cell, point_.data())) {
    for (Index d = 0; d < k_; ++d) cell.coordinates[d * kPoints] = point_[d];
    cell.points->met = 1;
  }
  return cell;
}

HalfspaceCell HalfspaceGeometry::copy_of(Arena& arena, const Cell& cell) const {
  Cell copy = make(arena, cell.sides.size());
  std::ranges::copy(cell.sides, const_cast<Side*>(copy.sides.data()));
  std::ranges::copy(cell.keys, const_cast<std::uint64_t*>(copy.keys.data()));
  std::copy_n(cell.coordinates, k_ * kPoints, copy.coordinates);
  *copy.points = *cell.points;
  copy.signature = cell.signature;
  copy.clear = cell.clear;
  return copy;
}

void HalfspaceGeometry::forget() {
  proofs_.clear();
  program_.reset(box_);
  wants_facets_ = false;
}

void HalfspaceGeometry::bounds(const Forms& forms, double* low, double* high) const {
  // Each bound is the form's value at a corner: its error is one that the filter knows.
  std::copy_n(forms.row(k_), forms.stride(), low);
  std::copy_n(forms.row(k_), forms.stride(), high);
  for (Index d = 0; d < k_; ++d) {
    const double* row = forms.row(d);
    const double lower = box_.lower[d];
    const double upper = box_.upper[d];
    for (Index i = 0; i < forms.stride(); ++i) {
      const double a = row[i] * lower;
      const double b = row[i] * upper;
      low[i] += std::min(a, b);
      high[i] += std::max(a, b);
    }
  }
}

double HalfspaceGeometry::value_at(const double* form, const double* point) const {
  return Eigen::Map<const Vector>(form, k_).dot(Eigen::Map<const Vector>(point, k_)) + form[k_];
}

bool HalfspaceGeometry::is_inside(const Cell& cell, const double* point) const {
  for (Index d = 0; d < k_; ++d) {
    if (!(point[d] > box_.lower[d] && point[d] < box_.upper[d])) return false;
  }
  for (const Side& side : cell.sides) {
    const HalfspaceWalls::Wall& wall = walls_.of(side);
    if (!(side.sign * value_at(wall.form.data(), point) > wall.error)) return false;
  }
  return true;
}

// point_ as a witness, if it is one with this sign of the form.
bool HalfspaceGeometry::add_if_inside(const Cell& cell, int sign) {
  const double value = value_at(asked_.form.data(), point_.data());
  if (!(sign * value > asked_.error) || !is_inside(cell, point_.data())) return false;
  const Index slot = cell.points->met++ % kPoints;
  for (Index d = 0; d < k_; ++d) cell.coordinates[d * kPoints + slot] = point_[d];
  value_[slot] = value;
  return true;
}

HalfspaceGeometry::Reach HalfspaceGeometry::reach(const Cell& cell, const Form& form, const HalfspaceOracle& oracle) {
  asked_.form.assign(form.form, form.form + k_ + 1);
  asked_.error = form.error;
  asked_.id = form.id;
  value_.setConstant(form.form[k_]);
  for (Index d = 0; d < k_; ++d) {
    const double c = form.form[d];
    const double* x = cell.coordinates + d * kPoints;
    for (Index v = 0; v < kPoints; ++v) value_[v] += c * x[v];
  }
  Reach reach;
  for (Index v = 0; v < cell.witnesses(); ++v) {
    reach.below |= value_[v] < -form.error;
    reach.above |= value_[v] > form.error;
  }
  if (!reach.below) reach.below = reaches(cell, -1, oracle);
  if (!reach.above) reach.above = reaches(cell, 1, oracle);
  return reach;
}

// Whether the cell reaches the form's side of this sign: sets used_ to the sides of a proof that it does not.
bool HalfspaceGeometry::reaches(const Cell& cell, int sign, const HalfspaceOracle& oracle) {
  const std::uint64_t key = ProofCache::key_of(asked_.id, sign);
  if (proofs_.holds(key, cell)) return false;
  if (shoot(cell, sign)) return true;
  if (k_ >= kManyDimensions) {
    if (const std::optional<bool> known = climb(cell, sign)) {
      if (!*known) proofs_.remember(key, used_, walls_);
      return *known;
    }
  }
  program_.follow(cell);
  // min −sign · form: from where it is at least 0, nothing of the sign is left.
  for (Index d = 0; d < k_; ++d) cost_[d] = -sign * asked_.form[at(d)];
  const double constant = -sign * asked_.form[at(k_)];
  double cutoff = -constant + kMargin * asked_.error;
  for (;;) {
    const LpResult& lp = program_.lp().minimize(cost_, DenseLp::Start::kLastBasis, cutoff);
    if (program_.proves(cell, lp, constant, asked_.error, used_)) {
      proofs_.remember(key, used_, walls_);
      return false;
    }
    if (lp.status == LpStatus::kOptimal && cross(cell, lp.x, sign)) return true;
    if (lp.status != LpStatus::kCutoff) break;
    cutoff = DenseLp::kNoCutoff;
  }
  // What a few sides prove holds for other cells too.
  if (used_.size() < cell.sides.size() && !oracle(kAskedForm, sign, used_)) {
    proofs_.remember(key, used_, walls_);
    return false;
  }
  if (oracle(kAskedForm, sign, cell.sides)) return true;
  used_.assign(cell.sides.begin(), cell.sides.end());
  proofs_.remember(key, used_, walls_);
  return false;
}

// From the witness where the form comes nearest, straight across.
bool HalfspaceGeometry::shoot(const Cell& cell, int sign) {
  const Index count = cell.witnesses();
  if (count == 0) return false;
  Index from = 0;
  for (Index v = 1; v < count; ++v) {
    if (sign * value_[v] > sign * value_[from]) from = v;
  }
  const Eigen::Map<const Vector> gradient(asked_.form.data(), k_);
  for (Index d = 0; d < k_; ++d) point_[d] = cell.coordinates[d * kPoints + from];
  double exit = std::numeric_limits<double>::infinity();
  for (Index d = 0; d < k_; ++d) {
    const double rate = sign * gradient[d];
    if (rate != 0) exit = std::min(exit, ((rate > 0 ? box_.upper[d] : box_.lower[d]) - point_[d]) / rate);
  }
  const double crossing = -sign * value_[from] / gradient.squaredNorm();
  for (const Side& side : cell.sides) {
    if (!(exit > crossing)) return false;
    const double* form = walls_.of(side).form.data();
    const double rate = -side.sign * sign * gradient.dot(Eigen::Map<const Vector>(form, k_));
    if (rate > 0) exit = std::min(exit, side.sign * value_at(form, point_.data()) / rate);
  }
  if (!(exit > crossing)) return false;
  const double step = 0.5 * (std::max(crossing, 0.0) + exit);
  point_ += sign * step * gradient;
  return add_if_inside(cell, sign);
}

// Affine scaling (Dikin 1967) from the witness where the form comes nearest: each step is the best one within an
// ellipsoid inside the cell, and its multipliers may prove that there is nothing to reach. O(m² k) a step for m sides,
// where a program's pivot takes O(k²).
std::optional<bool> HalfspaceGeometry::climb(const Cell& cell, int sign) {
  const Index count = cell.witnesses();
  if (count == 0) return {};
  const auto m = static_cast<Index>(cell.sides.size());
  Index from = 0;
  double value = (sign * value_.head(count)).maxCoeff(&from);
  for (Index d = 0; d < k_; ++d) point_[d] = cell.coordinates[d * kPoints + from];
  const Vector gradient = sign * Eigen::Map<const Vector>(asked_.form.data(), k_);
  Matrix scaled(m, k_);  // side i's inward normal over its slack
  Vector slack(m);
  for (int step = 0; step < kSteps; ++step) {
    for (Index i = 0; i < m; ++i) {
      const Side& side = cell.sides[at(i)];
      const double* form = walls_.of(side).form.data();
      slack[i] = side.sign * value_at(form, point_.data());
      scaled.row(i) = side.sign / slack[i] * Eigen::Map<const Vector>(form, k_);
    }
    const Vector up = box_.upper - point_;
    const Vector down = point_ - box_.lower;
    const Vector room = (up.array().inverse().square() + down.array().inverse().square()).inverse();
    Matrix gram = Matrix::Identity(m, m) + scaled * room.asDiagonal() * scaled.transpose();
    const Vector pushed = room.cwiseProduct(gradient);
    const Vector multipliers = gram.llt().solve(scaled * pushed);
    if (proves_by(cell, gradient, sign, -multipliers.cwiseQuotient(slack))) return false;
    const Vector direction = pushed - room.cwiseProduct(scaled.transpose() * multipliers);
    double exit = m > 0 ? 1 / std::max(0.0, -(scaled * direction).minCoeff()) : std::numeric_limits<double>::infinity();
    for (Index d = 0; d < k_; ++d) {
      if (direction[d] != 0) exit = std::min(exit, (direction[d] > 0 ? up[d] : -down[d]) / direction[d]);
    }
    const double gain = 0.9 * exit * gradient.dot(direction);
    point_ += 0.9 * exit * direction;
    value += gain;
    if (value > 0 && add_if_inside(cell, sign)) return true;
    if (!(gain > kLeastGain * std::abs(value))) break;
  }
  return {};
}

// Whether multipliers y ≥ 0 of the cell's sides a_i · t + b_i ≥ 0, of any origin, prove that sign · form = gradient · t
// + c is nowhere positive on the cell: there it is at most c + Σ_i y_i b_i + Σ_j max r_j t_j over the box, where r =
// gradient + Σ_i y_i a_i. Errors of all forms are charged, and roundings: no number goes through more than k + sides +
// 8 operations, which lose so many u of their sizes' sum, `total`; four times that is taken.
bool HalfspaceGeometry::proves_by(const Cell& cell, const Vector& gradient, int sign, const Vector& multipliers) {
  used_.clear();
  Vector left = gradient;
  Vector size = gradient.cwiseAbs();
  double bound = sign * asked_.form[at(k_)];
  double total = std::abs(bound);
  double error = asked_.error;
  for (std::size_t i = 0; i < cell.sides.size(); ++i) {
    const double y = multipliers[static_cast<Index>(i)];
    if (!(y > 0)) continue;
    const Side& side = cell.sides[i];
    const HalfspaceWalls::Wall& wall = walls_.of(side);
    const Eigen::Map<const Vector> normal(wall.form.data(), k_);
    left += side.sign * y * normal;
    size += y * normal.cwiseAbs();
    bound += side.sign * y * wall.form[at(k_)];
    total += y * std::abs(wall.form[at(k_)]);
    error += kRoundedUp * y * wall.error;
    used_.push_back(side);
  }
  bound += left.cwiseProduct(box_.lower).cwiseMax(left.cwiseProduct(box_.upper)).sum();
  total += size.dot(box_.lower.cwiseAbs().cwiseMax(box_.upper.cwiseAbs()));
  const double roundings = 2 * static_cast<double>(k_ + static_cast<Index>(cell.sides.size()) + 8);
  return bound + error + roundings * kEpsilon * (total + error) <= 0;
}

// The mean of the witnesses; null if there are none.
const Vector* HalfspaceGeometry::center_of(const Cell& cell) {
  const Index count = cell.witnesses();
  for (Index d = 0; d < k_; ++d) {
    double sum = 0;
    for (Index v = 0; v < kPoints; ++v) sum += cell.coordinates[d * kPoints + v];
    center_[d] = sum / static_cast<double>(std::max<Index>(count, 1));
  }
  return count > 0 ? &center_ : nullptr;
}

// A witness between an optimum with this sign of the form and the centre.
bool HalfspaceGeometry::cross(const Cell& cell, const Vector& optimum, int sign) {
  const double there = sign * value_at(asked_.form.data(), optimum.data());
  if (!(there > asked_.error) || center_of(cell) == nullptr) return false;
  const double here = sign * value_at(asked_.form.data(), center_.data());
  const double share = here >= 0 ? 0.5 : 0.5 * there / (there - here);
  point_ = optimum + share * (center_ - optimum);
  return add_if_inside(cell, sign);
}

void HalfspaceGeometry::split(Arena& arena, const Cell& cell, int wall, Cell& negative, Cell& positive) {
  walls_.put(wall, asked_);
  for (const int sign : {-1, 1}) {
    Cell& child = sign < 0 ? negative : positive;
    const std::size_t sides = cell.sides.size();
    child = make(arena, sides + 1);
    Side* side = const_cast<Side*>(child.sides.data());
    std::uint64_t* key = const_cast<std::uint64_t*>(child.keys.data());
    std::ranges::copy(cell.sides, side);
    std::ranges::copy(cell.keys, key);
    side[sides] = {wall, sign};
    key[sides] = ProofCache::key_of(asked_.id, sign);
    child.signature = cell.signature | ProofCache::bit_of(key[sides]);
    child.clear = cell.clear;
    for (Index v = 0; v < cell.witnesses(); ++v) {
      if (!(sign * value_[v] > asked_.error)) continue;
      const Index slot = child.points->met++;
      for (Index d = 0; d < k_; ++d) child.coordinates[d * kPoints + slot] = cell.coordinates[d * kPoints + v];
    }
  }
}

std::optional<Vector> HalfspaceGeometry::interior_point(const Cell& cell) {
  if (center_of(cell) == nullptr) return {};
  if (!is_inside(cell, center_.data())) {
    for (Index d = 0; d < k_; ++d) center_[d] = cell.coordinates[d * kPoints];
  }
  return center_;
}

Vector HalfspaceGeometry::guess_inside(const Cell& cell) {
  program_.follow(cell);
  center_.setZero();
  for (Index d = 0; d < k_; ++d) {
    cost_ = Vector::Unit(k_, d);
    center_ += program_.lp().minimize(cost_).x / static_cast<double>(2 * k_);
    center_ += program_.lp().maximize(cost_).x / static_cast<double>(2 * k_);
  }
  return center_;
}

std::vector<int> HalfspaceGeometry::facets(const Cell& cell, const HalfspaceOracle& oracle) {
  wants_facets_ = true;
  const std::vector<unsigned char>& bounding = facets_.bounding(cell, center_of(cell), oracle);
  std::vector<int> out;
  for (std::size_t c = 0; c < bounding.size(); ++c) {
    if (bounding[c] != 0) out.push_back(c < at(2 * k_) ? static_cast<int>(c) : cell.sides[c - at(2 * k_)].wall);
  }
  return out;
}

HalfspaceCell HalfspaceGeometry::pruned(Arena& arena, const Cell& cell, const HalfspaceOracle& oracle) {
  const std::vector<unsigned char>& bounding = facets_.bounding(cell, center_of(cell), oracle);
  const auto box = at(2 * k_);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < cell.sides.size(); ++i) kept += bounding[box + i];
  Cell out = make(arena, kept);
  std::copy_n(cell.coordinates, k_ * kPoints, out.coordinates);
  *out.points = *cell.points;
  std::size_t next = 0;
  for (std::size_t i = 0; i < cell.sides.size(); ++i) {
    if (bounding[box + i] == 0) continue;
    const_cast<Side&>(out.sides[next]) = cell.sides[i];
    const_cast<std::uint64_t&>(out.keys[next]) = cell.keys[i];
    out.signature |= ProofCache::bit_of(cell.keys[i]);
    ++next;
  }
  unsigned char* const clear = arena.take<unsigned char>(box);
  for (std::size_t c = 0; c < box; ++c) clear[c] = bounding[c] == 0 ? 1 : 0;
  out.clear = clear;
  return out;
}

}  // namespace unrect
