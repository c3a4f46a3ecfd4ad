#include "unrect/polytope/facets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/polytope/exact.hpp"
#include "unrect/polytope/internal/whole.hpp"

namespace unrect {
namespace {

// Least relative margin beyond which a comparison of distances is taken from floating point; what is closer goes to
// rationals.
constexpr double kMargin = 1e-9;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
// Half the side of the box that stands in for "unbounded", in inradii at the interior point.
constexpr double kFar = 1e5;

enum class Verdict : unsigned char { kOpen, kFacet, kRedundant, kUndecided };

// Works in y = (x − z) / r, z the interior point, r its distance to the nearest row: row i is u_i·y ≤ d_i, ‖u_i‖ = 1,
// d_i ≥ 1. A ray y = s·v meets row i at 1/s = v·u_i / d_i, so the largest of α_i·v, α_i = u_i / d_i, is hit first.
class Finder {
 public:
  Finder(const Halfspaces& rows, const VectorRef& z, const FacetOptions& options)
      : given_(rows), rows_(scaled_rows(rows)), z_(z), n_(rows.dimension()), options_(options) {
    group(options.coincide);
  }

  void run() {
    if (count_ == 0) return;
    shoot_first();
    bound();
    for (Index i = 0; i < count_; ++i) {
      if (verdict_[i] == Verdict::kOpen && reach(i) < distance_[i] * (1 - margin_)) verdict_[i] = Verdict::kRedundant;
    }
    keep_open();
    while (!open_.empty()) {
      report();
      const Index i = open_.front();
      while (verdict_[i] == Verdict::kOpen) decide(i);
      if (verdict_[i] == Verdict::kRedundant) drop_behind_basis();
      keep_open();
    }
  }

  std::vector<Facet> found() && {
    std::vector<Facet> result;
    for (Index i = 0; i < count_; ++i) {
      if (verdict_[i] != Verdict::kFacet) continue;
      std::vector<Index> members{row_[i]};
      if (const auto twins = twins_.find(row_[i]); twins != twins_.end()) {
        members.insert(members.end(), twins->second.begin(), twins->second.end());
      }
      result.push_back({std::move(members), z_ + scale_ * witness_.row(i).transpose()});
    }
    std::sort(result.begin(), result.end(), [](const Facet& a, const Facet& b) { return a.rows < b.rows; });
    return result;
  }

  /// Rows that the effort did not suffice for.
  std::vector<Index> undecided() const {
    std::vector<Index> rows;
    for (Index i = 0; i < count_; ++i) {
      if (verdict_[i] == Verdict::kUndecided) rows.push_back(row_[i]);
    }
    std::ranges::sort(rows);
    return rows;
  }

 private:
  // At most ten times a second.
  void report() {
    if (options_.context == nullptr || !options_.context->progress) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_report_) return;
    next_report_ = now + std::chrono::milliseconds(100);
    const auto done = static_cast<double>(count_ - static_cast<Index>(open_.size()));
    UNRECT_REQUIRE(options_.context->progress({"inequalities", done, static_cast<double>(count_)}),
                   ErrorCode::kCancelled, "facets: cancelled with {} of {} inequalities decided", done, count_);
  }

  void group(double coincide) {
    const Vector slack = rows_.slacks(z_);
    const Vector norm = row_norms(rows_.normals);
    const double size = z_.stableNorm();
    struct Row {
      double key;  // rows on one hyperplane have one key, so a window of the sorted keys holds them
      double distance;
      Index row;
    };
    std::vector<Row> keys;
    keys.reserve(static_cast<std::size_t>(rows_.size()));
    const Matrix unit = rows_.normals.array().colwise() / norm.array();
    const Vector probe = Rng(1).normal_vector(n_ + 1).normalized();
    const Vector projected = unit * probe.head(n_);
    scale_ = std::numeric_limits<double>::infinity();
    for (Index i = 0; i < rows_.size(); ++i) {
      if (norm[i] == 0) continue;
      UNRECT_REQUIRE(slack[i] > 0, ErrorCode::kInvalidArgument,
                     "facets: row {} has slack {} at the interior point; expected more than 0", i, slack[i]);
      const double distance = slack[i] / norm[i];
      scale_ = std::min(scale_, distance);
      // What the rounding of slack and normal can do to a distance.
      const double extent = std::abs(rows_.offsets[i]) / norm[i] + size;
      margin_ = std::max(margin_, 8 * static_cast<double>(n_ + 4) * kEpsilon * extent / distance);
      keys.push_back({projected[i] + distance * probe[n_], distance, i});
    }
    std::sort(keys.begin(), keys.end(), [](const Row& a, const Row& b) { return a.key < b.key; });
    std::vector<unsigned char> used(keys.size(), 0);
    std::vector<Row> groups;  // one row each; the others on its hyperplane go to twins_
    groups.reserve(keys.size());
    for (std::size_t a = 0; a < keys.size(); ++a) {
      if (used[a]) continue;
      Row first = keys[a];
      const double span = std::abs(rows_.offsets[first.row]) / norm[first.row] + first.distance;
      std::vector<Index> twins;
      for (std::size_t b = a + 1; b < keys.size() && keys[b].key <= keys[a].key + 4 * coincide * (1 + span); ++b) {
        const double apart = (unit.row(keys[b].row) - unit.row(keys[a].row)).cwiseAbs().maxCoeff();
        if (used[b] || std::abs(keys[b].distance - keys[a].distance) > coincide * span || apart > coincide) continue;
        // From an interior point far away parallel rows look alike: their own offsets tell them apart.
        const double here = rows_.offsets[keys[a].row] / norm[keys[a].row],
                     there = rows_.offsets[keys[b].row] / norm[keys[b].row];
        if (apart == 0 && std::abs(here - there) > coincide * (std::abs(here) + std::abs(there))) continue;
        used[b] = 1;
        twins.push_back(keys[b].row);
        if (twins.back() < first.row) std::swap(twins.back(), first.row);
      }
      std::sort(twins.begin(), twins.end());
      if (!twins.empty()) twins_.emplace(first.row, std::move(twins));
      groups.push_back(first);
    }
    std::sort(groups.begin(), groups.end(), [](const Row& a, const Row& b) {  // near rows are the likelier facets
      return a.distance != b.distance ? a.distance < b.distance : a.row < b.row;
    });
    count_ = static_cast<Index>(groups.size());
    unit_.resize(count_, n_);
    distance_.resize(count_);
    row_.resize(groups.size());
    for (Index g = 0; g < count_; ++g) {
      row_[g] = groups[g].row;
      unit_.row(g) = unit.row(groups[g].row);
      distance_[g] = groups[g].distance / scale_;
    }
    witness_.resize(count_, n_);
    verdict_.assign(groups.size(), Verdict::kOpen);
    alpha_ = unit_.array().colwise() / distance_.array();
    hit_.resize(count_);
  }

  // Reads α·v of a ray v of this length: the row hit first, if no other is hit nearly as early, else −1; −1 too for a
  // ray that escapes.
  template <class Hits>
  Index first(Hits&& hits, double length) const {
    const double most = hits.maxCoeff();
    const double rounding = 4 * static_cast<double>(n_ + 2) * kEpsilon * length;
    if (!(most > rounding)) return -1;
    Index best = 0;
    while (hits[best] != most) ++best;
    hits[best] = 0;
    return hits.maxCoeff() < most * (1 - margin_) - rounding ? best : -1;
  }

  // Marks the row that the ray hits first as a facet; returns whether that is new.
  template <class Hits>
  bool mark_first(const VectorRef& v, Hits&& hits) {
    const Index i = first(hits, v.norm());
    if (i < 0 || verdict_[i] == Verdict::kFacet) return false;
    mark_facet(i, v);
    return true;
  }

  void mark_facet(Index i, const VectorRef& v) {
    verdict_[i] = Verdict::kFacet;
    witness_.row(i) = v.transpose() / alpha_.row(i).dot(v);
    if (lp_) add_to_lp(i);
  }

  bool shoot(const VectorRef& v) {
    hit_.noalias() = alpha_ * v;
    return mark_first(v, hit_);
  }

  void shoot_first() {
    const Index rays = std::min(count_, 8 + 4 * n_);
    Matrix hits = unit_.topRows(rays) * alpha_.transpose();
    for (Index k = 0; k < rays; ++k) mark_first(unit_.row(k).transpose(), hits.row(k));
  }

  void add_to_lp(Index i) {
    lp_rows_.push_back(i);
    lp_->append_row(unit_.row(i).transpose(), distance_[i]);
  }

  // Makes the program over the facets found so far. Its box must not make a row look redundant: it lies beyond the
  // cell, or, where the cell is unbounded, as far away as kFar.
  void bound() {
    lp_ = std::make_unique<DenseLp>(Box(Vector::Constant(n_, -kFar), Vector::Constant(n_, kFar)));
    for (Index i = 0; i < count_; ++i) {
      if (verdict_[i] == Verdict::kFacet) add_to_lp(i);
    }
    lower_ = Vector::Constant(n_, -1e300);
    upper_ = Vector::Constant(n_, 1e300);
    Box box = lp_->box();
    for (Index j = 0; j < n_; ++j) {
      const Vector axis = Vector::Unit(n_, j);
      const LpResult& high = lp_->maximize(axis);
      if (!leans_on_far_side(high)) upper_[j] = high.safe_bound + margin_ * std::abs(high.safe_bound);
      const LpResult& low = lp_->minimize(axis);
      if (!leans_on_far_side(low)) lower_[j] = low.safe_bound - margin_ * std::abs(low.safe_bound);
      box.upper[j] = std::min(kFar, 2 * upper_[j]);
      box.lower[j] = std::max(-kFar, 2 * lower_[j]);
    }
    lp_->set_box(box);
  }

  bool leans_on_far_side(const LpResult& result) const {
    const double rounding = 8 * static_cast<double>(n_) * kEpsilon * (1 + result.row_duals.sum());
    for (Index j = 0; j < n_; ++j) {
      const double cost = result.reduced_costs[j];
      if ((cost > rounding && lp_->box().lower[j] == -kFar) || (cost < -rounding && lp_->box().upper[j] == kFar)) {
        return true;
      }
    }
    return false;
  }

  // max u_i·y over the bounding box.
  double reach(Index i) const {
    return unit_.row(i).transpose().cwiseMax(0).dot(upper_) + unit_.row(i).transpose().cwiseMin(0).dot(lower_);
  }

  // Packs what is still open: open_[a] is the row, column a of coordinates_ its normal, side by side for SIMD.
  void keep_open() {
    if (coordinates_.size() == 0) {
      open_.resize(static_cast<std::size_t>(count_));
      std::iota(open_.begin(), open_.end(), Index{0});
      coordinates_ = unit_.transpose();
    }
    Index kept = 0;
    for (Index a = 0; a < static_cast<Index>(open_.size()); ++a) {
      if (verdict_[open_[a]] != Verdict::kOpen) continue;
      open_[kept] = open_[a];
      for (Index j = 0; j < n_; ++j) coordinates_(j, kept) = coordinates_(j, a);
      ++kept;
    }
    open_.resize(static_cast<std::size_t>(kept));
  }

  // Drops open rows that the last program's basis B proves redundant, without a program of their own. The cell lies in
  // the parallelepiped low ≤ B y ≤ high (high are the offsets of the basis' rows, low follows from the bounding box),
  // so a row u = Σ m_k B_k is at most Σ (m_k⁺ high_k + m_k⁻ low_k) there; where that is below the row's distance, it is
  // redundant.
  void drop_behind_basis() {
    constexpr double kNoBound =
        1e12;  // stands for infinity, yet times the rounding of a multiplier that is 0 is nothing
    const auto open = static_cast<Index>(open_.size());
    const Matrix inverse = lp_->basis_inverse();
    Matrix basis = Matrix::Zero(n_, n_);
    Vector high(n_), low(n_);
    for (Index k = 0; k < n_; ++k) {
      const Index constraint = lp_->basis()[k];
      if (constraint >= 0) {
        basis.row(k) = unit_.row(lp_rows_[constraint]);
        high[k] = distance_[lp_rows_[constraint]];
      } else {
        const Index axis = (-1 - constraint) / 2;
        const bool upper = (-1 - constraint) % 2 == 0;
        basis(k, axis) = upper ? 1 : -1;
        high[k] = upper ? upper_[axis] : -lower_[axis];
      }
      low[k] = basis.row(k).cwiseMax(0).dot(lower_) + basis.row(k).cwiseMin(0).dot(upper_);
    }
    bound_.setZero(open);
    multiplier_.resize(open);
    for (Index k = 0; k < n_; ++k) {
      multiplier_ = inverse(0, k) * coordinates_.row(0).head(open);
      for (Index j = 1; j < n_; ++j) multiplier_ += inverse(j, k) * coordinates_.row(j).head(open);
      bound_.array() += multiplier_.array().max(0.0) * std::min(high[k], kNoBound) +
                        multiplier_.array().min(0.0) * std::max(low[k], -kNoBound);
    }
    for (Index a = 0; a < open; ++a) {
      if (bound_[a] < distance_[open_[a]] && is_behind(open_[a], basis, inverse, high, low)) {
        verdict_[open_[a]] = Verdict::kRedundant;
      }
    }
  }

  // drop_behind_basis for one row, with what the multipliers leave over charged to the bounding box.
  bool is_behind(Index i, const Matrix& basis, const Matrix& inverse, const Vector& high, const Vector& low) const {
    double bound = 0, total = 1;
    Eigen::RowVectorXd left = unit_.row(i);
    for (Index k = 0; k < n_; ++k) {
      const double m = unit_.row(i).dot(inverse.col(k));
      if (std::abs(m) < 1e-12) continue;  // left over as well
      bound += m > 0 ? m * high[k] : m * low[k];
      left -= m * basis.row(k);
      total += std::abs(m);
    }
    const double rounding = 8 * static_cast<double>(n_) * kEpsilon * total;
    for (Index j = 0; j < n_; ++j) {
      const double far = std::max(upper_[j], -lower_[j]);
      if (far < 1e300) {
        bound += std::abs(left[j]) * far;
      } else if (std::abs(left[j]) > rounding) {
        return false;  // unbounded this way, and not for rounding's sake
      }
    }
    return bound < distance_[i] * (1 - margin_);
  }

  // One linear program: decides row i, or finds another facet.
  void decide(Index i) {
    const double distance = distance_[i];
    const LpResult& result = lp_->maximize(unit_.row(i).transpose(), DenseLp::Start::kCorner, distance * (1 - margin_));
    const bool below = result.status == LpStatus::kCutoff ||
                       (result.status == LpStatus::kOptimal && result.safe_bound < distance * (1 - margin_));
    if (below && !leans_on_far_side(result)) {
      verdict_[i] = Verdict::kRedundant;
      return;
    }
    if (!below && result.status == LpStatus::kOptimal) {
      if (result.objective > distance * (1 + margin_)) {
        const Vector beyond = result.x;
        if (shoot(beyond)) return;
        Rng rng(static_cast<std::uint64_t>(i));
        for (const double spread : {1e-2, 1e-4, 1e-6}) {
          if (shoot(beyond + spread * beyond.norm() * rng.normal_vector(n_).normalized())) return;
        }
      } else if (touches_robustly(i, result)) {
        verdict_[i] = Verdict::kRedundant;
        return;
      }
    }
    decide_exactly(i);
  }

  // Rows through the origin (a network without biases): a_i = Σ y_k a_k with n independent rows and every y_k well
  // above 0 stays so under rounding, and Σ y_k b_k ≤ b_i is 0 ≤ 0.
  bool touches_robustly(Index i, const LpResult& result) const {
    if (rows_.offsets[row_[i]] != 0) return false;
    for (const Index constraint : lp_->basis()) {
      if (constraint < 0 || rows_.offsets[row_[lp_rows_[constraint]]] != 0 || result.row_duals[constraint] < 1e-6) {
        return false;
      }
    }
    return true;
  }

  // Redundant iff (a_i, −b_i) is in the cone of the other rows' (a_j, −b_j) and (0, −1).
  void decide_exactly(Index i) {
    std::vector<Index> others;
    for (Index g = 0; g < count_; ++g) {
      if (g != i && verdict_[g] != Verdict::kRedundant) others.push_back(g);
    }
    std::vector<WholeRow> generators;
    std::vector<Index> place(count_, -1);
    for (Index k = 0; k < static_cast<Index>(others.size()); ++k) {
      generators.push_back(homogeneous(others[k]));
      place[others[k]] = k;
    }
    generators.emplace_back(static_cast<std::size_t>(n_) + 1);
    generators.back().back() = -1;
    std::vector<Index> start;
    for (const Index constraint : lp_->basis()) {
      if (constraint >= 0) start.push_back(place[lp_rows_[constraint]]);
    }
    const FarkasAlternative answer =
        farkas_alternative(generators, homogeneous(i), start, options_.undecided ? options_.effort : kNoLimit);
    if (!answer.decided) {
      verdict_[i] = Verdict::kUndecided;
    } else if (answer.in_cone) {
      verdict_[i] = Verdict::kRedundant;
    } else {
      mark_facet(i, answer.direction.head(n_) - answer.direction[n_] * z_);
    }
  }

  // (a_i, −b_i), kept: an exact row may have cost more than what is done with it.
  const WholeRow& homogeneous(Index i) {
    WholeRow& row = whole_[i];
    if (!row.empty()) return row;
    const Index r = row_[i];
    if (options_.exact_row && r < given_.size() - (options_.box ? 2 * n_ : 0)) return row = options_.exact_row(r);
    Vector numbers(n_ + 1);
    numbers << given_.normals.row(r).transpose(), -given_.offsets[r];
    return row = whole_multiple(numbers).row;
  }

  const Halfspaces& given_;
  const Halfspaces rows_;  // scaled
  const Vector z_;
  const Index n_;
  const FacetOptions& options_;
  std::chrono::steady_clock::time_point next_report_;
  std::map<Index, WholeRow> whole_;
  double scale_ = 1;
  double margin_ = kMargin;
  Index count_ = 0;                            // groups of coinciding rows
  std::vector<Index> row_;                     // of rows_, the first of each group
  std::map<Index, std::vector<Index>> twins_;  // the others of its group, for the few that have any
  Matrix unit_, alpha_, witness_;              // count × n
  Vector distance_;
  std::vector<Verdict> verdict_;
  Vector hit_;
  std::unique_ptr<DenseLp> lp_;            // none before bound()
  std::vector<Index> open_;                // rows without a verdict, near ones first
  Matrix coordinates_;                     // n × count
  Eigen::RowVectorXd bound_, multiplier_;  // scratch of drop_behind_basis
  std::vector<Index> lp_rows_;             // its rows' groups
  Vector lower_, upper_;                   // bounding box of the cell, ±1e300 where there is none
};

}  // namespace

std::vector<Facet> facets(const Halfspaces& cell, const VectorRef& interior_point, const FacetOptions& options) {
  UNRECT_REQUIRE(interior_point.size() == cell.dimension(), ErrorCode::kInvalidArgument,
                 "facets: an interior point of {} entries in dimension {}", interior_point.size(), cell.dimension());
  validate(options);
  const Halfspaces boxed = options.box ? intersect(cell, Halfspaces(*options.box)) : Halfspaces();
  Finder finder(options.box ? boxed : cell, interior_point, options);
  finder.run();
  if (options.undecided) {
    *options.undecided = finder.undecided();
    std::erase_if(*options.undecided, [&](Index row) { return row >= cell.size() && !options.box_faces; });
  }
  std::vector<Facet> result = std::move(finder).found();
  if (!options.box_faces) {
    for (Facet& facet : result) std::erase_if(facet.rows, [&](Index row) { return row >= cell.size(); });
    std::erase_if(result, [](const Facet& facet) { return facet.rows.empty(); });
  }
  return result;
}

}  // namespace unrect
