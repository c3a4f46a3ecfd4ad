#include "unrect/region/boundary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "unrect/polytope/facets.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Distances within this factor of the smallest belong to hyperplanes that meet x's ball at the same time.
constexpr double kTogether = 1 + 1e-12;

// The nearest wall among rows with these slacks and lengths; rows of length 0 bound nothing.
NearestBoundary nearest(const Vector& slacks, const Vector& lengths, const std::vector<Wall>& walls, Index* row) {
  NearestBoundary result;
  result.distance = kInfinity;
  *row = -1;
  for (Index i = 0; i < slacks.size(); ++i) {
    if (lengths[i] > 0 && slacks[i] / lengths[i] < result.distance) {
      result.distance = slacks[i] / lengths[i];
      *row = i;
    }
  }
  for (Index i = 0; i < slacks.size() && *row >= 0; ++i) {
    if (lengths[i] > 0 && slacks[i] / lengths[i] <= result.distance * kTogether) {
      result.walls.push_back(walls[static_cast<std::size_t>(i)]);
    }
  }
  return result;
}

}  // namespace

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
  const Matrix& normals = polytope.halfspaces.normals;
  const Vector lengths = normals.rowwise().norm();
  Index row = -1;
  NearestBoundary result = nearest(polytope.halfspaces.slacks(x), lengths, polytope.walls, &row);
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
  NearestBoundary result = nearest(slacks, squares.cwiseSqrt(), walls, &row);
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
  for (const Index row : hit) result.push_back(walls[static_cast<std::size_t>(row)]);
  return result;
}

}  // namespace unrect
