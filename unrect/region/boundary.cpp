#include "unrect/region/boundary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "unrect/base/error.hpp"
#include "unrect/polytope/exact.hpp"
#include "unrect/polytope/facets.hpp"

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

bool has_configuration(const Region& region, const Vector& x) {
  try {
    return trace(region.network(), x).configuration == region.configuration();
  } catch (const Error&) {
    return false;  // the network overflows there
  }
}

// y ≥ 0 with yᵀA = 0, yᵀb < 0, as it stands or, where rounding has spoilt it, found afresh in rationals.
bool prove_empty(const Halfspaces& rows, Vector& farkas) {
  if (verify_farkas(rows, farkas)) return true;
  Matrix generators(rows.size(), rows.dimension() + 1);
  generators << rows.normals, rows.offsets;
  FarkasAlternative answer = farkas_alternative(generators, -Vector::Unit(rows.dimension() + 1, rows.dimension()));
  if (answer.in_cone) farkas = std::move(answer.multipliers);
  return answer.in_cone;
}

// How far from the origin the walls are: 1 + the median distance.
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

}  // namespace

RegionBall largest_ball(const Region& region, const RegionPolytope& polytope, const std::optional<Box>& box) {
  const Halfspaces& q = polytope.halfspaces;
  const auto verified = [&](Ball ball, const std::optional<Box>& domain) -> RegionBall {
    const bool is = ball.status == BallStatus::kEmpty
                        ? prove_empty(domain ? intersect(q, Halfspaces(*domain)) : q, ball.farkas)
                        : ball.radius > 0 && has_configuration(region, ball.center);
    return {std::move(ball), is};
  };
  if (box) return verified(chebyshev_ball(q, *box), box);
  RegionBall whole = verified(chebyshev_ball(q), std::nullopt);
  if (whole.ball.radius <= 0 || (whole.verified && whole.ball.status == BallStatus::kBall)) return whole;
  const double reach = usual_distance(q);
  const auto within = [&](double side) {
    const Vector corner = Vector::Constant(q.dimension(), side * reach);
    const Box domain(-corner, corner);
    return verified(chebyshev_ball(q, domain), domain);
  };
  RegionBall near = within(1e3);
  const RegionBall far = within(1e6);
  if (far.verified && far.ball.radius > 2 * near.ball.radius) {
    RegionBall close = within(10);  // one of the balls of every size, and the point in it the better conditioned
    RegionBall& chosen = close.verified && close.ball.radius > 0 ? close : near;
    chosen.ball.status = BallStatus::kUnbounded;
    return chosen;
  }
  // Empty this side of 10³ is no proof that there is nothing beyond.
  near.verified = near.verified && near.ball.status != BallStatus::kEmpty;
  return near;
}

std::vector<RegionFacet> region_facets(const RegionPolytope& polytope, const VectorRef& interior,
                                       const std::optional<Box>& box) {
  FacetOptions options;
  options.box = box;
  std::vector<RegionFacet> result;
  for (Facet& facet : facets(polytope.halfspaces, interior, options)) {
    RegionFacet named;
    for (const Index row : facet.rows) named.walls.push_back(polytope.walls[static_cast<std::size_t>(row)]);
    const Index first = facet.rows.front();
    const double length = polytope.halfspaces.normals.row(first).norm();
    named.normal = polytope.halfspaces.normals.row(first).transpose() / length;
    named.offset = polytope.halfspaces.offsets[first] / length;
    named.witness = std::move(facet.witness);
    result.push_back(std::move(named));
  }
  return result;
}

NearestBoundary nearest_boundary(const RegionPolytope& polytope, const VectorRef& x) {
  UNRECT_REQUIRE(x.size() == polytope.halfspaces.dimension(), ErrorCode::kInvalidArgument,
                 "the point has {} coordinates, the polytope {}", x.size(), polytope.halfspaces.dimension());
  const Matrix& normals = polytope.halfspaces.normals;
  const Vector lengths = normals.rowwise().norm();
  Index row = -1;
  NearestBoundary result = nearest(polytope.halfspaces.slacks(x), lengths, polytope.walls, x.norm(), &row);
  if (row >= 0) result.point = x + result.distance / lengths[row] * normals.row(row).transpose();
  return result;
}

NearestBoundary nearest_boundary(const Region& region, const VectorRef& x, Index block) {
  const auto [offsets, walls] = region.offsets_and_walls();
  Vector squares = Vector::Zero(offsets.size());
  region.for_each_normal_block(block,
                               [&](Index, const Matrix& columns) { squares += columns.rowwise().squaredNorm(); });
  const Vector slacks = offsets - region.multiply_normals(x);
  Index row = -1;
  NearestBoundary result = nearest(slacks, squares.cwiseSqrt(), walls, x.norm(), &row);
  if (row < 0) return result;
  Vector normal(x.size());
  region.for_each_normal_block(block, [&](Index begin, const Matrix& columns) {
    normal.segment(begin, columns.cols()) = columns.row(row).transpose();
  });
  result.point = x + result.distance / normal.norm() * normal;
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
