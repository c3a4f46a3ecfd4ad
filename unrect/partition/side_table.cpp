#include "unrect/partition/internal/side_table.hpp"

namespace unrect {

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

}  // namespace unrect
