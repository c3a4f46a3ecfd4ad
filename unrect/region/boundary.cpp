#include "unrect/region/boundary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/polytope/exact.hpp"
#include "unrect/polytope/facets.hpp"
#include "unrect/polytope/internal/whole.hpp"
#include "unrect/region/internal/exact_region.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Distances that differ by less than this, relative to the point and to the distance, are met at the same time.
constexpr double kTogether = 1e-12;

// The nearest wall among rows with these slacks and lengths; rows of length 0 bound nothing.
NearestBoundary nearest(const Vector& slacks, const Vector& lengths, const std::vector<Wall>& walls, double size,
                        Index* row) {
  NearestBoundary result;
  result.distance = kInfinity;
  *row = -1;
  for (Index i = 0; i < slacks.size(); ++i) {
    if (lengths[i] > 0 && slacks[i] / lengths[i] < result.distance) {
      result.distance = slacks[i] / lengths[i];
      *row = i;
    }
  }
  if (*row < 0) return result;
  const double together = result.distance + kTogether * (size + std::abs(result.distance));
  for (Index i = 0; i < slacks.size(); ++i) {
    if (lengths[i] > 0 && slacks[i] / lengths[i] <= together)
      result.walls.push_back(walls[static_cast<std::size_t>(i)]);
  }
  result.distance = std::max(result.distance, 0.0);  // a point on a wall may be rounded to beyond it
  return result;
}

// The usual distance of the walls from the origin: 1 + the median.
double usual_distance(const Halfspaces& q) {
  std::vector<double> distances{0};
  for (Index i = 0; i < q.size(); ++i) {
    const double length = q.normals.row(i).stableNorm();
    if (length > 0 && std::isfinite(q.offsets[i] / length)) distances.push_back(std::abs(q.offsets[i]) / length);
  }
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  return 1 + std::min(*middle, 1e9);
}

// Exact forms of all rows are asked for only below this many products.
constexpr double kAllRows = 1 << 26;

mpz_class weight_of(const WholeRow& row, std::size_t n) {
  std::size_t bits = 0;
  for (std::size_t j = 0; j < n; ++j) {
    if (sgn(row[j]) != 0) bits = std::max(bits, mpz_sizeinbase(row[j].get_mpz_t(), 2));
  }
  return bits == 0 ? mpz_class(0) : mpz_class(mpz_class(1) << (bits - 1));
}

// One region's rows over the domain's parameters; those that come into doubt are made exact on the way.
class Decision {
 public:
  Decision(const Region& region, const RegionPolytope& polytope, const std::optional<Box>& box, std::int64_t effort)
      : polytope_(polytope), exact_(region, box), effort_(effort), n_(exact_.domain().dimension()) {
    const Halfspaces& q = polytope.halfspaces;
    UNRECT_REQUIRE(q.size() == exact_.size() && q.dimension() == exact_.domain().input_size(),
                   ErrorCode::kInvalidArgument, "largest ball: a polytope of {} rows, the region has {}", q.size(),
                   exact_.size());
    const Domain& domain = exact_.domain();
    rows_ = n_ == q.dimension() ? q : Halfspaces(q.normals * domain.axes, q.offsets - q.normals * domain.origin);
    sharp_.assign(static_cast<std::size_t>(q.size()), 0);
  }

  const Halfspaces& rows() const { return rows_; }
  const Box& parameters() const { return exact_.domain().box; }

  /// The ball within a box of parameters, or without.
  RegionBall ball(const std::optional<Box>& box) {
    constexpr int kRounds = 20;
    for (int round = 0;; ++round) {
      RegionBall found;
      found.ball = box ? chebyshev_ball(rows_, *box, effort_) : chebyshev_ball(rows_, effort_);
      const bool solid = found.ball.radius > 0;
      const std::vector<Index> doubtful = solid ? missed(found.ball.center) : support(found.ball.farkas);
      const bool news = sharpen(doubtful);
      found.verified = (solid && doubtful.empty() && fit(found.ball, box)) || settle_constants(doubtful, found);
      if (!found.verified && !solid) {
        Ball proven = found.ball;
        if (has_interior(doubtful, box, proven) == false) {
          found.ball = std::move(proven);
          found.verified = true;
        }
      }
      if (found.verified || !news || round == kRounds) return found;
    }
  }

  bool recedes(const Vector& direction) { return direction.size() == n_ && exact_.recedes(direction); }

  /// All rows, exactly.
  void decide(const std::optional<Box>& box, RegionBall& found) {
    if (exact_.cost() > kAllRows) return;
    std::vector<Index> all(static_cast<std::size_t>(exact_.size()));
    std::iota(all.begin(), all.end(), Index{0});
    if (settle_constants(all, found)) {
      found.verified = true;
      return;
    }
    Ball exact = found.ball;
    const std::optional<bool> interior = has_interior(all, box, exact);
    if (!interior) return;
    // A point that is lost in rounding has no radius.
    if (*interior && (!missed(exact.center).empty() || !fit(exact, box))) exact.radius = 0;
    found.ball = std::move(exact);
    found.verified = true;
  }

  /// From the parameters to all inputs.
  RegionBall over_inputs(RegionBall found, const std::optional<Box>& box) const {
    const Domain& domain = exact_.domain();
    Ball& ball = found.ball;
    if (n_ == domain.input_size()) return found;
    ball.center = domain.point(ball.center);
    if (!box || ball.farkas.size() == 0) return found;
    const Index m = exact_.size(), inputs = domain.input_size();
    Vector farkas = Vector::Zero(m + 2 * inputs);
    farkas.head(m) = ball.farkas.head(m);
    farkas.segment(m, inputs) = domain.axes * ball.farkas.segment(m, n_);
    farkas.tail(inputs) = domain.axes * ball.farkas.tail(n_);
    const Vector left = polytope_.halfspaces.normals.transpose() * ball.farkas.head(m);
    for (Index j = 0; j < inputs; ++j) {  // what the rows leave over of an input that is held fixed
      if (domain.axes.row(j).any()) continue;
      farkas[m + j] = std::max(-left[j], 0.0);
      farkas[m + inputs + j] = std::max(left[j], 0.0);
    }
    ball.farkas = std::move(farkas);
    return found;
  }

 private:
  std::vector<Index> missed(const Vector& center) { return exact_.missed(exact_.domain().point(center)); }

  // Takes from the radius of a ball around a point inside what it is wider than the room that there is, rounding and
  // all; whether the point is within the box at all.
  bool fit(Ball& ball, const std::optional<Box>& box) {
    if (box && !box->contains(ball.center)) return false;
    for (Index j = 0; box && j < n_; ++j) {
      for (const double room : {ball.center[j] - box->lower[j], box->upper[j] - ball.center[j]}) {
        if (room < ball.radius) ball.radius = std::nextafter(room, 0.0);
      }
    }
    ball.radius = exact_.clearance(ball.center, rows_, ball.radius);
    return true;
  }

  std::vector<Index> support(const Vector& farkas) const {
    std::vector<Index> rows;
    for (Index i = 0; i < std::min(farkas.size(), exact_.size()); ++i) {
      if (farkas[i] > 0) rows.push_back(i);
    }
    std::ranges::stable_sort(rows, [&](Index i, Index j) { return farkas[i] > farkas[j]; });
    return rows;
  }

  // Rounds these rows once, from what they are; whether any of them was not so yet.
  bool sharpen(const std::vector<Index>& rows) {
    bool news = false;
    for (const Index i : rows) {
      unsigned char& sharp = sharp_[static_cast<std::size_t>(i)];
      if (sharp != 0) continue;
      sharp = 1;
      news = true;
      const Vector row = exact_.rounded_row(i);
      rows_.normals.row(i) = row.head(n_).transpose();
      rows_.offsets[i] = row[n_];
    }
    return news;
  }

  bool settle_constants(const std::vector<Index>& rows, RegionBall& found) {
    for (const Index i : rows) {
      const ExactRegion::Constant constant = exact_.constant(i);
      if (constant == ExactRegion::Constant::kTied) {
        found.tied = polytope_.walls[static_cast<std::size_t>(i)];
        return true;
      }
      if (constant == ExactRegion::Constant::kExcludes) {
        found.ball = {BallStatus::kEmpty, Vector::Zero(n_), 0, Vector::Unit(exact_.size(), i), true, {}};
        return true;
      }
    }
    return false;
  }

  // (a_i, −b_i) of these rows and of the box's sides, and (0, −1).
  std::vector<WholeMultiple> generators(const std::vector<Index>& rows, const std::optional<Box>& box) {
    std::vector<WholeMultiple> all;
    for (const Index i : rows) all.push_back(exact_.row(i));
    if (box) {
      const Halfspaces sides(*box);
      for (Index i = 0; i < sides.size(); ++i) {
        Vector side(n_ + 1);
        side << sides.normals.row(i).transpose(), -sides.offsets[i];
        all.push_back(whole_multiple(side));
      }
    }
    all.push_back(whole_multiple(-Vector::Unit(n_ + 1, n_)));
    return all;
  }

  // Whether some point is strictly inside these rows, and the box. Says so with that point, or with multipliers.
  std::optional<bool> has_interior(const std::vector<Index>& rows, const std::optional<Box>& box, Ball& ball) {
    const auto n = static_cast<std::size_t>(n_);
    if (box && charge_to_box(rows, *box, ball)) return false;
    const std::vector<WholeMultiple> multiples = generators(rows, box);
    std::vector<WholeRow> cone;
    for (const WholeMultiple& g : multiples) cone.push_back(g.row);
    // The floating-point multipliers' order: rows come sorted by them.
    std::vector<Index> start;
    const Index m = exact_.size();
    for (Index k = 0; k < static_cast<Index>(rows.size()); ++k) {
      if (rows.size() <= n + 1 || rows_with_weight(ball, rows[static_cast<std::size_t>(k)])) start.push_back(k);
    }
    for (Index j = 0; box && j < 2 * n_ && ball.farkas.size() == m + 2 * n_; ++j) {
      if (ball.farkas[m + j] > 0) start.push_back(static_cast<Index>(rows.size()) + j);
    }
    WholeRow target(n + 1);
    target[n] = 1;
    FarkasAlternative answer = farkas_alternative(cone, target, start, effort_);
    BallStatus status = BallStatus::kEmpty;
    if (!answer.decided) return std::nullopt;
    if (!answer.in_cone) {
      // Points there are: a ball? w_i > 0 for rows that are not zero: a_i·u − b_i τ + w_i t ≤ 0, t ≤ τ, t > 0.
      status = BallStatus::kFlat;
      for (WholeRow& row : cone) row.push_back(weight_of(row, n));
      cone.back().back() = 1;
      target[n] = 0;
      target.emplace_back(1);
      answer = farkas_alternative(cone, target, start, effort_);
      if (!answer.decided) return std::nullopt;
    }
    ball.settled = true;
    ball.radius = 0;
    if (!answer.in_cone) {
      ball.status = BallStatus::kBall;
      ball.center = answer.direction.head(n_) / answer.direction[n_];
      ball.radius = answer.direction[n_ + 1] / answer.direction[n_];
      return true;
    }
    ball.status = status;
    ball.farkas = Vector::Zero(m + (box ? 2 * n_ : 0));
    long top = std::numeric_limits<long>::min() / 2;  // of none, whose differences are numbers, too
    const auto place = [&](Index k) {
      const auto r = static_cast<Index>(rows.size());
      return k < r ? rows[static_cast<std::size_t>(k)] : m + (k - r);
    };
    for (Index k = 0; k + 1 < answer.multipliers.size(); ++k) {
      const double y = answer.multipliers[k];
      if (y > 0) top = std::max(top, std::ilogb(y) + multiples[static_cast<std::size_t>(k)].exponent);
    }
    for (Index k = 0; k + 1 < answer.multipliers.size(); ++k) {
      const long exponent = std::clamp(multiples[static_cast<std::size_t>(k)].exponent - top, -3000L, 3000L);
      ball.farkas[place(k)] = std::ldexp(answer.multipliers[k], static_cast<int>(exponent));
    }
    return false;
  }

  static bool rows_with_weight(const Ball& ball, Index row) { return row < ball.farkas.size() && ball.farkas[row] > 0; }

  // The floating-point multipliers as they are, and what they leave of yᵀA held by the sides of the box: y·(A t − b) >
  // 0 at the corner where it is least.
  bool charge_to_box(const std::vector<Index>& rows, const Box& box, Ball& ball) {
    if (ball.farkas.size() != exact_.size() + 2 * n_) return false;
    std::vector<mpq_class> left(static_cast<std::size_t>(n_) + 1);
    for (const Index i : rows) {
      if (!(ball.farkas[i] > 0) || !std::isfinite(ball.farkas[i])) continue;
      const WholeMultiple& row = exact_.row(i);
      mpq_class y = ball.farkas[i];
      if (row.exponent >= 0) {
        y >>= static_cast<mp_bitcnt_t>(row.exponent);
      } else {
        y <<= static_cast<mp_bitcnt_t>(-row.exponent);
      }
      for (std::size_t j = 0; j < left.size(); ++j) {
        if (sgn(row.row[j]) != 0) left[j] += y * row.row[j];
      }
    }
    mpq_class least = left.back();
    for (Index j = 0; j < n_; ++j) {
      const mpq_class& r = left[static_cast<std::size_t>(j)];
      if (sgn(r) != 0) least += r * mpq_class(sgn(r) > 0 ? box.lower[j] : box.upper[j]);
    }
    if (sgn(least) <= 0) return false;
    ball.status = BallStatus::kEmpty;
    for (Index j = 0; j < n_; ++j) {
      const double r = left[static_cast<std::size_t>(j)].get_d();
      ball.farkas[exact_.size() + j] = std::max(-r, 0.0);
      ball.farkas[exact_.size() + n_ + j] = std::max(r, 0.0);
    }
    return true;
  }

  const RegionPolytope& polytope_;
  ExactRegion exact_;
  std::int64_t effort_;
  Index n_;          // parameters
  Halfspaces rows_;  // over them
  std::vector<unsigned char> sharp_;
};

}  // namespace

std::optional<bool> RegionBall::occurs() const {
  if (!verified) return std::nullopt;
  return !tied && (ball.status == BallStatus::kBall || ball.status == BallStatus::kUnbounded);
}

RegionBall largest_ball(const Region& region, const RegionPolytope& polytope, const std::optional<Box>& box,
                        std::int64_t effort) {
  Decision decision(region, polytope, box, effort);
  if (box) {
    RegionBall found = decision.ball(decision.parameters());
    if (!found.verified) decision.decide(decision.parameters(), found);
    return decision.over_inputs(std::move(found), box);
  }
  RegionBall whole = decision.ball(std::nullopt);
  if (whole.verified && (whole.ball.status != BallStatus::kUnbounded || whole.tied)) return whole;
  const double reach = usual_distance(decision.rows());
  const auto within = [&](double side) {
    const Vector corner = Vector::Constant(decision.rows().dimension(), side * reach);
    return decision.ball(Box(-corner, corner));
  };
  RegionBall near = within(1e3);
  Vector direction = whole.ball.recession;
  bool unbounded = whole.verified && decision.recedes(direction);
  if (!unbounded) {
    const RegionBall far = within(1e6);
    direction = far.ball.center - near.ball.center;
    unbounded = far.verified && far.ball.radius > 2 * near.ball.radius && decision.recedes(direction);
  }
  if (unbounded) {
    RegionBall close = within(10);  // one of the balls of every size, and the point in it the better conditioned
    RegionBall& chosen = close.verified && close.ball.radius > 0 ? close
                         : near.verified && near.ball.radius > 0 ? near
                                                                 : whole;
    chosen.ball.status = BallStatus::kUnbounded;
    chosen.ball.recession = direction;
    return chosen;
  }
  // A region that is empty within 10³ of the usual distance may have points beyond: that is no proof.
  near.verified = near.verified && (near.ball.radius > 0 || near.tied);
  if (!near.verified) decision.decide(std::nullopt, near);
  return near;
}

std::vector<Unit> units_with_a_wall(const Region& region, const std::vector<Unit>& units) {
  if (units.empty()) return {};
  ExactRegion exact(region, std::nullopt);
  const std::vector<Wall> walls = region.offsets_and_walls().second;
  std::vector<Unit> out;
  for (const Unit& unit : units) {
    for (Index i = 0; i < exact.size(); ++i) {
      if (walls[static_cast<std::size_t>(i)].unit != unit || exact.constant(i) != ExactRegion::Constant::kNone)
        continue;
      out.push_back(unit);
      break;
    }
  }
  return out;
}

std::vector<RegionFacet> region_facets(const RegionPolytope& polytope, const VectorRef& interior,
                                       const RegionFacetOptions& options) {
  FacetOptions how;
  how.box = options.box;
  how.effort = options.effort;
  how.undecided = options.undecided;
  how.context = options.context;
  std::optional<ExactRegion> exact;
  if (options.region) {
    how.exact_row = [&](Index row) {
      if (!exact) exact.emplace(*options.region, std::nullopt);
      return exact->row(row).row;
    };
  }
  std::vector<RegionFacet> result;
  for (Facet& facet : facets(polytope.halfspaces, interior, how)) {
    RegionFacet named;
    for (const Index row : facet.rows) named.walls.push_back(polytope.walls[static_cast<std::size_t>(row)]);
    const Halfspaces first = scaled_rows(Halfspaces(polytope.halfspaces.normals.row(facet.rows.front()),
                                                    polytope.halfspaces.offsets.segment(facet.rows.front(), 1)));
    const double length = first.normals.norm();
    named.normal = first.normals.row(0).transpose() / length;
    named.offset = first.offsets[0] / length;
    named.witness = std::move(facet.witness);
    result.push_back(std::move(named));
  }
  return result;
}

NearestBoundary nearest_boundary(const RegionPolytope& polytope, const VectorRef& x) {
  UNRECT_REQUIRE(x.size() == polytope.halfspaces.dimension(), ErrorCode::kInvalidArgument,
                 "the point has {} coordinates, the polytope {}", x.size(), polytope.halfspaces.dimension());
  const Matrix& normals = polytope.halfspaces.normals;
  const Vector lengths = row_norms(normals);
  // Lengths near either end of the doubles have lost digits.
  if (((lengths.array() > 0 && lengths.array() < 1e-290) || lengths.array() > 1e300).any()) {
    const RegionPolytope scaled{scaled_rows(polytope.halfspaces), polytope.walls};
    if (scaled.halfspaces.normals != normals) return nearest_boundary(scaled, x);
  }
  Index row = -1;
  NearestBoundary result = nearest(polytope.halfspaces.slacks(x), lengths, polytope.walls, x.stableNorm(), &row);
  if (row >= 0) result.point = x + result.distance * normals.row(row).transpose().stableNormalized();
  return result;
}

NearestBoundary nearest_boundary(const Region& region, const VectorRef& x, Index block) {
  const auto [offsets, walls] = region.offsets_and_walls();
  Vector lengths = Vector::Zero(offsets.size());
  region.for_each_normal_block(block, [&](Index, const Matrix& columns) {
    const Vector lengths_here = row_norms(columns);
    for (Index i = 0; i < lengths.size(); ++i) lengths[i] = std::hypot(lengths[i], lengths_here[i]);
  });
  const Vector slacks = offsets - region.multiply_normals(x);
  Index row = -1;
  NearestBoundary result = nearest(slacks, lengths, walls, x.stableNorm(), &row);
  if (row < 0) return result;
  Vector normal(x.size());
  region.for_each_normal_block(block, [&](Index begin, const Matrix& columns) {
    normal.segment(begin, columns.cols()) = columns.row(row).transpose();
  });
  result.point = x + result.distance * normal.stableNormalized();
  return result;
}

std::vector<Wall> facets_hit(const Region& region, const VectorRef& x, Index rays, Rng rng) {
  const auto [offsets, walls] = region.offsets_and_walls();
  const Vector slacks = offsets - region.multiply_normals(x);
  const Matrix rates = region.multiply_normals(rng.normal_matrix(x.size(), rays));
  std::set<Index> hit;
  for (Index ray = 0; ray < rays; ++ray) {
    for (const double direction : {1.0, -1.0}) {
      Index first = -1;
      double reach = kInfinity, runner_up = kInfinity;
      for (Index i = 0; i < slacks.size(); ++i) {
        const double rate = direction * rates(i, ray);
        if (rate <= 0) continue;
        const double t = slacks[i] / rate;
        if (t < reach) {
          runner_up = reach;
          reach = t;
          first = i;
        } else {
          runner_up = std::min(runner_up, t);
        }
      }
      // A tie would leave open which of the two is the facet.
      if (first >= 0 && runner_up > reach * (1 + 1e-9)) hit.insert(first);
    }
  }
  std::vector<Wall> result;
  result.reserve(hit.size());
  for (const Index row : hit) result.push_back(walls[static_cast<std::size_t>(row)]);
  return result;
}

}  // namespace unrect
