#include "unrect/region/slice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "unrect/base/error.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/internal/kernels.hpp"
#include "unrect/region/internal/forward_pass.hpp"

namespace unrect {
namespace {

struct Corner {
  double x, y;
  Index edge;  // the row that the edge leaving this corner lies on; −1 for the window
};

// Keeps the part of a convex polygon where a·t ≤ b.
void clip(std::vector<Corner>& polygon, double ax, double ay, double b, Index row) {
  std::vector<Corner> kept;
  bool cut = false;
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const Corner& p = polygon[i];
    const Corner& q = polygon[(i + 1) % polygon.size()];
    const double fp = ax * p.x + ay * p.y - b, fq = ax * q.x + ay * q.y - b;
    if (fp <= 0) kept.push_back(p);
    if ((fp < 0 && fq > 0) || (fp > 0 && fq < 0)) {
      const double s = fp / (fp - fq);
      // Leaving, the new edge follows the row; entering, it goes on along the old one.
      kept.push_back({p.x + s * (q.x - p.x), p.y + s * (q.y - p.y), fp < 0 ? row : p.edge});
      cut = true;
    } else if (fp == 0 && fq > 0) {
      kept.back().edge = row;
    }
    cut = cut || fp > 0;
  }
  if (cut) polygon = std::move(kept);
}

}  // namespace

Plane coordinate_plane(const VectorRef& x, Index first, Index second) {
  UNRECT_REQUIRE(first >= 0 && second >= 0 && first < x.size() && second < x.size() && first != second,
                 ErrorCode::kInvalidArgument, "plane along inputs {} and {}, expected two different ones below {}",
                 first, second, x.size());
  Plane plane{x, Matrix::Zero(x.size(), 2), {x[first], x[second]}};
  plane.axes(first, 0) = 1;
  plane.axes(second, 1) = 1;
  return plane;
}

Plane random_plane(const VectorRef& x, std::uint64_t seed) {
  UNRECT_REQUIRE(x.size() >= 2, ErrorCode::kInvalidArgument, "a plane needs at least 2 inputs, the network has {}",
                 x.size());
  Rng rng(seed);
  Plane plane{x, rng.normal_matrix(x.size(), 2), Eigen::Vector2d::Zero()};
  plane.axes.col(0).normalize();
  plane.axes.col(1) -= plane.axes.col(0) * plane.axes.col(0).dot(plane.axes.col(1));
  plane.axes.col(1).normalize();
  return plane;
}

RegionPolygon slice_region(const Region& region, const Plane& plane, double half_width) {
  const auto [offsets, walls] = region.offsets_and_walls();
  const Matrix in_plane = region.multiply_normals(plane.axes);
  const Vector slacks = offsets - region.multiply_normals(plane.origin);
  const double w = half_width;
  std::vector<Corner> polygon{{-w, -w, -1}, {w, -w, -1}, {w, w, -1}, {-w, w, -1}};
  for (Index i = 0; i < slacks.size() && !polygon.empty(); ++i) {
    clip(polygon, in_plane(i, 0), in_plane(i, 1), slacks[i], i);
  }
  if (polygon.size() < 3) polygon.clear();
  RegionPolygon result;
  result.vertices.resize(static_cast<Index>(polygon.size()), 2);
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    result.vertices.row(static_cast<Index>(i)) << polygon[i].x + plane.centre.x(), polygon[i].y + plane.centre.y();
    result.cut.push_back(polygon[i].edge < 0);
    result.walls.push_back(polygon[i].edge < 0 ? Wall{} : walls[static_cast<std::size_t>(polygon[i].edge)]);
  }
  return result;
}

Vector switched_units(const Network& network, const Configuration& configuration, const MatrixRef& samples) {
  check_configuration(network, configuration);
  constexpr Index kBlock = 256;
  Vector switched = Vector::Zero(samples.rows());
  for (Index begin = 0; begin < samples.rows(); begin += kBlock) {
    const Index count = std::min(kBlock, samples.rows() - begin);
    std::size_t layer = 0;
    forward_pass(network, samples.middleRows(begin, count), [&](const Op& op, const Matrix& z) {
      const std::vector<std::uint16_t>& expected = configuration.layers[layer++];
      for (Index n = 0; n < count; ++n) {
        const std::vector<std::uint16_t> pieces =
            pieces_at<double>(op, std::span(z.data() + n * z.cols(), static_cast<std::size_t>(z.cols())));
        for (std::size_t k = 0; k < pieces.size(); ++k) switched[begin + n] += pieces[k] != expected[k];
      }
    });
  }
  return switched;
}

}  // namespace unrect
