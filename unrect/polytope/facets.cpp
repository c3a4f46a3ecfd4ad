#include "unrect/polytope/facets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/polytope/exact.hpp"

namespace unrect {
namespace {

// Relative margin beyond which a comparison of distances is taken from floating point; what is closer goes to
// rationals.
constexpr double kMargin = 1e-9;
// Half the side of the box that stands in for "unbounded", in inradii at the interior point.
constexpr double kFar = 1e5;

enum class Verdict : unsigned char { kOpen, kFacet, kRedundant };

// Works in y = (x − z) / r, z the interior point, r its distance to the nearest row: row i is u_i·y ≤ d_i, ‖u_i‖ = 1,
// d_i ≥ 1. A ray y = s·v meets row i at 1/s = v·u_i / d_i, so the largest of α_i·v, α_i = u_i / d_i, is hit first.
class Finder {
 public:
  Finder(const Halfspaces& rows, const VectorRef& z, double coincide) : rows_(rows), z_(z), n_(rows.dimension()) {
    group(coincide);
  }

  void run() {
    if (count_ == 0) return;
    shoot_first();
    bound();
    for (Index i = 0; i < count_; ++i) {
      if (verdict_[i] == Verdict::kOpen && reach(i) < distance_[i] * (1 - kMargin)) verdict_[i] = Verdict::kRedundant;
    }
    for (Index i = 0; i < count_; ++i) {
      while (verdict_[i] == Verdict::kOpen) decide(i);
    }
  }

  std::vector<Facet> found() && {
    std::vector<Facet> result;
    for (Index i = 0; i < count_; ++i) {
      if (verdict_[i] == Verdict::kFacet)
        result.push_back({std::move(members_[i]), z_ + scale_ * witness_.row(i).transpose()});
    }
    std::sort(result.begin(), result.end(), [](const Facet& a, const Facet& b) { return a.rows < b.rows; });
    return result;
  }

 private:
  void group(double coincide) {
    const Vector slack = rows_.slacks(z_);
    struct Key {
      double key;
      double distance;
      Index row;
    };
    std::vector<Key> keys;
    keys.reserve(rows_.size());
    Vector norm = rows_.normals.rowwise().norm();
    Matrix unit(rows_.size(), n_);
    const Vector probe = Rng(1).normal_vector(n_ + 1).normalized();
    scale_ = std::numeric_limits<double>::infinity();
    for (Index i = 0; i < rows_.size(); ++i) {
      if (norm[i] == 0) continue;
      UNRECT_REQUIRE(slack[i] > 0, ErrorCode::kInvalidArgument,
                     "facets: row {} has slack {} at the interior point; expected more than 0", i, slack[i]);
      unit.row(i) = rows_.normals.row(i) / norm[i];
      const double distance = slack[i] / norm[i];
      scale_ = std::min(scale_, distance);
      keys.push_back({unit.row(i).dot(probe.head(n_)) + distance * probe[n_], distance, i});
    }
    // Rows on one hyperplane have one key, so a window of the sorted keys holds them.
    std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.key < b.key; });
    std::vector<unsigned char> used(keys.size(), 0);
    std::vector<std::pair<double, std::vector<Index>>> groups;
    for (std::size_t a = 0; a < keys.size(); ++a) {
      if (used[a]) continue;
      const Index i = keys[a].row;
      const double span = std::abs(rows_.offsets[i]) / norm[i] + keys[a].distance;
      std::vector<Index> members{i};
      for (std::size_t b = a + 1; b < keys.size() && keys[b].key <= keys[a].key + 4 * coincide * (1 + span); ++b) {
        if (used[b] || std::abs(keys[b].distance - keys[a].distance) > coincide * span ||
            (unit.row(keys[b].row) - unit.row(i)).cwiseAbs().maxCoeff() > coincide) {
          continue;
        }
        used[b] = 1;
        members.push_back(keys[b].row);
      }
      std::sort(members.begin(), members.end());
      groups.emplace_back(keys[a].distance, std::move(members));
    }
    std::sort(groups.begin(), groups.end());  // near rows first: they are the likelier facets
    count_ = static_cast<Index>(groups.size());
    unit_.resize(count_, n_);
    distance_.resize(count_);
    witness_.resize(count_, n_);
    verdict_.assign(count_, Verdict::kOpen);
    for (Index g = 0; g < count_; ++g) {
      unit_.row(g) = unit.row(groups[g].second.front());
      distance_[g] = groups[g].first / scale_;
      members_.push_back(std::move(groups[g].second));
    }
    alpha_ = unit_.array().colwise() / distance_.array();
    hit_.resize(count_);
  }

  // Reads the ray v's α·v: the row hit first, if no other is hit nearly as early, else −1; −1 too for a ray that
  // escapes.
  template <class Hits>
  Index first(Hits&& hits) const {
    Index best = 0;
    const double most = hits.maxCoeff(&best);
    if (!(most > 1e-12)) return -1;
    hits[best] = 0;
    return hits.maxCoeff() < most * (1 - kMargin) ? best : -1;
  }

  // Marks the row that the ray hits first as a facet; returns whether that is new.
  template <class Hits>
  bool mark_first(const VectorRef& v, Hits&& hits) {
    const Index i = first(hits);
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
    const Index rays = std::min(count_, 16 + 8 * n_);
    const Matrix hits = unit_.topRows(rays) * alpha_.transpose();
    for (Index k = 0; k < rays; ++k) {
      hit_ = hits.row(k).transpose();
      mark_first(unit_.row(k).transpose(), hit_);
    }
  }

  void add_to_lp(Index i) {
    lp_rows_.push_back(i);
    lp_->append_row(unit_.row(i).transpose(), distance_[i]);
  }

  // The LP over the facets so far, in a box that is no facet's business: beyond the cell, or far.
  void bound() {
    lp_.emplace(Box(Vector::Constant(n_, -kFar), Vector::Constant(n_, kFar)));
    for (Index i = 0; i < count_; ++i) {
      if (verdict_[i] == Verdict::kFacet) add_to_lp(i);
    }
    lower_ = Vector::Constant(n_, -1e300);
    upper_ = Vector::Constant(n_, 1e300);
    Box box = lp_->box();
    for (Index j = 0; j < n_; ++j) {
      const Vector axis = Vector::Unit(n_, j);
      const LpResult& high = lp_->maximize(axis);
      if (!leans_on_far_side(high)) upper_[j] = high.safe_bound + kMargin * std::abs(high.safe_bound);
      const LpResult& low = lp_->minimize(axis);
      if (!leans_on_far_side(low)) lower_[j] = low.safe_bound - kMargin * std::abs(low.safe_bound);
      box.upper[j] = std::min(kFar, 2 * upper_[j]);
      box.lower[j] = std::max(-kFar, 2 * lower_[j]);
    }
    lp_->set_box(box);
  }

  bool leans_on_far_side(const LpResult& result) const {
    for (Index j = 0; j < n_; ++j) {
      const double cost = result.reduced_costs[j];
      if ((cost > 1e-11 && lp_->box().lower[j] == -kFar) || (cost < -1e-11 && lp_->box().upper[j] == kFar)) return true;
    }
    return false;
  }

  // max u_i·y over the bounding box.
  double reach(Index i) const {
    return unit_.row(i).transpose().cwiseMax(0).dot(upper_) + unit_.row(i).transpose().cwiseMin(0).dot(lower_);
  }

  // One linear program: decides row i, or finds another facet.
  void decide(Index i) {
    const double distance = distance_[i];
    const LpResult& result = lp_->maximize(unit_.row(i).transpose(), DenseLp::Start::kCorner, distance * (1 - kMargin));
    const bool below = result.status == LpStatus::kCutoff ||
                       (result.status == LpStatus::kOptimal && result.safe_bound < distance * (1 - kMargin));
    if (below && !leans_on_far_side(result)) {
      verdict_[i] = Verdict::kRedundant;
      return;
    }
    if (!below && result.status == LpStatus::kOptimal) {
      if (result.objective > distance * (1 + kMargin)) {
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
    if (rows_.offsets[members_[i].front()] != 0) return false;
    for (const Index constraint : lp_->basis()) {
      if (constraint < 0 || rows_.offsets[members_[lp_rows_[constraint]].front()] != 0 ||
          result.row_duals[constraint] < 1e-6) {
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
    Matrix generators = Matrix::Zero(static_cast<Index>(others.size()) + 1, n_ + 1);
    std::vector<Index> place(count_, -1);
    for (Index k = 0; k < static_cast<Index>(others.size()); ++k) {
      generators.row(k) = homogeneous(others[k]);
      place[others[k]] = k;
    }
    generators(generators.rows() - 1, n_) = -1;
    std::vector<Index> start;
    for (const Index constraint : lp_->basis()) {
      if (constraint >= 0) start.push_back(place[lp_rows_[constraint]]);
    }
    const FarkasAlternative answer = farkas_alternative(generators, homogeneous(i).transpose(), start);
    if (answer.in_cone) {
      verdict_[i] = Verdict::kRedundant;
    } else {
      mark_facet(i, answer.direction.head(n_) - answer.direction[n_] * z_);
    }
  }

  Eigen::RowVectorXd homogeneous(Index i) const {
    Eigen::RowVectorXd row(n_ + 1);
    row << rows_.normals.row(members_[i].front()), -rows_.offsets[members_[i].front()];
    return row;
  }

  const Halfspaces& rows_;
  const Vector z_;
  const Index n_;
  double scale_ = 1;
  Index count_ = 0;  // groups of coinciding rows
  std::vector<std::vector<Index>> members_;
  Matrix unit_, alpha_, witness_;  // count × n
  Vector distance_;
  std::vector<Verdict> verdict_;
  Vector hit_;
  std::optional<DenseLp> lp_;
  std::vector<Index> lp_rows_;  // its rows' groups
  Vector lower_, upper_;        // bounding box of the cell, ±1e300 where there is none
};

}  // namespace

std::vector<Facet> facets(const Halfspaces& cell, const VectorRef& interior_point, const FacetOptions& options) {
  UNRECT_REQUIRE(interior_point.size() == cell.dimension(), ErrorCode::kInvalidArgument,
                 "facets: an interior point of {} entries in dimension {}", interior_point.size(), cell.dimension());
  const Halfspaces rows = options.box ? intersect(cell, Halfspaces(*options.box)) : cell;
  Finder finder(rows, interior_point, options.coincide);
  finder.run();
  std::vector<Facet> result = std::move(finder).found();
  if (!options.box_faces) {
    for (Facet& facet : result) std::erase_if(facet.rows, [&](Index row) { return row >= cell.size(); });
    std::erase_if(result, [](const Facet& facet) { return facet.rows.empty(); });
  }
  return result;
}

}  // namespace unrect
