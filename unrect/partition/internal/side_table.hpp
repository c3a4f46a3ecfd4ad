// The sides of a cell as forms that are not negative inside, all evaluated at once.
#pragma once

#include "unrect/partition/internal/halfspace_sides.hpp"
#include "unrect/partition/internal/vertex_dictionary.hpp"

namespace unrect {

/// Side i is normal(i) · t + constant(i) ≥ 0; past the last side, up to whole lanes, stands the form 1 without
/// error.
class SideTable {
 public:
  void lay_out(const HalfspaceCell& cell, const HalfspaceWalls& walls, Index k);

  /// How many sides there are, and that rounded up to whole lanes.
  Index size() const { return size_; }
  Index width() const { return columns_.cols(); }
  Eigen::Map<const Vector, 0, Eigen::InnerStride<>> normal(Index i) const {
    return {columns_.data() + i, k_, Eigen::InnerStride<>(width())};
  }
  double constant(Index i) const { return columns_(k_, i); }
  double error(Index i) const { return errors_[i]; }
  /// 1 over the length of the normal.
  double scale(Index i) const { return scale_[i]; }

  /// All sides at a point: `width` numbers.
  void values_at(const double* point, double* out) const;
  /// How fast they grow along a direction.
  void rates_of(const double* direction, double* out) const;

 private:
  static constexpr Index kLanes = VertexDictionary::kLanes;
  using LaneArray = Eigen::Array<double, kLanes, 1>;

  Index k_ = 0, size_ = 0;
  Matrix columns_;  // (k + 1) × width
  Vector errors_, scale_;
};

inline void SideTable::values_at(const double* point, double* out) const {
  const Index w = width();
  for (Index i = 0; i < w; i += kLanes) {
    const double* column = columns_.data() + i;
    LaneArray sum = Eigen::Map<const LaneArray>(column + k_ * w);
    for (Index d = 0; d < k_; ++d) sum += point[d] * Eigen::Map<const LaneArray>(column + d * w);
    Eigen::Map<LaneArray>(out + i) = sum;
  }
}

inline void SideTable::rates_of(const double* direction, double* out) const {
  const Index w = width();
  for (Index i = 0; i < w; i += kLanes) {
    const double* column = columns_.data() + i;
    LaneArray sum = LaneArray::Zero();
    for (Index d = 0; d < k_; ++d) sum += direction[d] * Eigen::Map<const LaneArray>(column + d * w);
    Eigen::Map<LaneArray>(out + i) = sum;
  }
}

}  // namespace unrect
