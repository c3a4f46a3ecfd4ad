#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "unrect/partition/refine.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/region/region.hpp"
#include "unrect/verify/internal/regions_for_tests.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double length_of(Norm norm, const Vector& d) {
  if (norm == Norm::kInfinity) return d.lpNorm<Eigen::Infinity>();
  return norm == Norm::kTwo ? d.norm() : d.lpNorm<1>();
}

// From a point to the segment between two others: a convex function of where on it.
double to_segment(Norm norm, const Vector& x, const Vector& a, const Vector& b) {
  double low = 0, high = 1;
  const auto here = [&](double t) { return length_of(norm, a + t * (b - a) - x); };
  for (int step = 0; step < 200; ++step) {
    const double first = low + (high - low) / 3, second = high - (high - low) / 3;
    (here(first) < here(second) ? high : low) = here(first) < here(second) ? second : first;
  }
  return std::min({here(0.5 * (low + high)), here(0), here(1)});
}

// What is left of a polygon where slope · x + constant ≥ 0.
std::vector<Vector> cut(const std::vector<Vector>& polygon, const Vector& slope, double constant) {
  std::vector<Vector> left;
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const Vector &p = polygon[i], &q = polygon[(i + 1) % polygon.size()];
    const double at_p = slope.dot(p) + constant, at_q = slope.dot(q) + constant;
    if (at_p >= 0) left.push_back(p);
    if ((at_p > 0 && at_q < 0) || (at_p < 0 && at_q > 0)) left.push_back(p + at_p / (at_p - at_q) * (q - p));
  }
  return left;
}

}  // namespace

std::uint64_t rounds(std::uint64_t usual) {
  const char* const asked = std::getenv("UNRECT_ROUNDS");
  return asked != nullptr ? std::strtoull(asked, nullptr, 10) : usual;
}

Property property_of(const Network& network, const Box& box, std::vector<Halfspaces> unsafe) {
  return {network.input_size(),
          network.output_size(),
          {{box, Halfspaces(Matrix(0, box.dimension()), Vector(0)), std::move(unsafe)}}};
}

Halfspaces at_least(const Vector& direction, double threshold) {
  return Halfspaces(-direction.transpose(), Vector::Constant(1, -threshold));
}

Box cube(Index dimension, double reach) {
  return Box(Vector::Constant(dimension, -reach), Vector::Constant(dimension, reach));
}

double largest_by_regions(const Network& network, const Box& box, const Vector& direction) {
  double largest = -kInfinity;
  const Refinement refinement(network, Domain(box));
  visit_regions(refinement, [&](RegionView& view) {
    if (const std::optional<Vector> inside = view.interior_point()) {
      const auto [map, polytope] = unrectify(network, *inside).affine_map_and_polytope();
      DenseLp lp(polytope.halfspaces, box);
      const LpResult& result = lp.maximize(map.linear.transpose() * direction);
      largest = std::max(largest, result.objective + direction.dot(map.constant));
    } else {
      const ParameterMap map = view.map();
      const Matrix values = direction.transpose() * map.matrix * view.vertices().transpose();
      largest = std::max(largest, values.maxCoeff() + direction.dot(map.constant));
    }
    return true;
  });
  return largest;
}

double distance_by_regions(const Network& network, const Box& box, const Vector& x, Index label, Norm norm) {
  double nearest = kInfinity;
  const Refinement refinement(network, Domain(box));
  visit_regions(refinement, [&](RegionView& view) {
    const ParameterMap map = view.map();
    const Matrix vertices = view.vertices();
    std::vector<Vector> region;
    for (Index i = 0; i < vertices.rows(); ++i) region.push_back(vertices.row(i).transpose());
    for (Index other = 0; other < network.output_size(); ++other) {
      if (other == label) continue;
      const std::vector<Vector> unsafe = cut(region, (map.matrix.row(other) - map.matrix.row(label)).transpose(),
                                             map.constant[other] - map.constant[label]);
      for (std::size_t i = 0; i < unsafe.size(); ++i)
        nearest = std::min(nearest, to_segment(norm, x, unsafe[i], unsafe[(i + 1) % unsafe.size()]));
    }
    return true;
  });
  return nearest;
}

}  // namespace unrect
