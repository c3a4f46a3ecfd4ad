#include "unrect/partition/internal/side_table.hpp"

#include "unrect/partition/internal/vertex_dictionary.hpp"

namespace unrect {
namespace {

constexpr Index kLanes = VertexDictionary::kLanes;
using LaneArray = Eigen::Array<double, kLanes, 1>;

}  // namespace

void SideTable::lay_out(const HalfspaceCell& cell, const HalfspaceWalls& walls, Index k) {
  k_ = k;
  size_ = static_cast<Index>(cell.sides.size());
  const Index width = (size_ + kLanes - 1) / kLanes * kLanes;
  columns_.resize(k + 1, width);
  errors_.resize(width);
  scale_.resize(width);
  for (Index i = 0; i < width; ++i) {
    if (i >= size_) {
      for (Index d = 0; d < k; ++d) columns_(d, i) = 0;
      columns_(k, i) = 1;
      errors_[i] = 0;
      continue;
    }
    const HalfspaceCell::Side& side = cell.sides[static_cast<std::size_t>(i)];
    const HalfspaceWalls::Wall& wall = walls.of(side);
    for (Index d = 0; d <= k; ++d) columns_(d, i) = side.sign * wall.form[static_cast<std::size_t>(d)];
    errors_[i] = wall.error;
    scale_[i] = wall.scale;
  }
}

void SideTable::values_at(const double* point, double* out) const {
  const Index w = width();
  for (Index i = 0; i < w; i += kLanes) {
    const double* column = columns_.data() + i;
    LaneArray sum = Eigen::Map<const LaneArray>(column + k_ * w);
    for (Index d = 0; d < k_; ++d) sum += point[d] * Eigen::Map<const LaneArray>(column + d * w);
    Eigen::Map<LaneArray>(out + i) = sum;
  }
}

void SideTable::rates_of(const double* direction, double* out) const {
  const Index w = width();
  for (Index i = 0; i < w; i += kLanes) {
    const double* column = columns_.data() + i;
    LaneArray sum = LaneArray::Zero();
    for (Index d = 0; d < k_; ++d) sum += direction[d] * Eigen::Map<const LaneArray>(column + d * w);
    Eigen::Map<LaneArray>(out + i) = sum;
  }
}

}  // namespace unrect
