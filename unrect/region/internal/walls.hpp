// The walls of a configuration, in the one order that all of a region's rows have.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "unrect/network/ops.hpp"

namespace unrect {

/// One wall: sign · (z_plus − z_minus) ≤ bound, z_minus absent for a Piecewise unit.
struct WallForm {
  Index plus = 0, minus = -1;
  double sign = 1, bound = 0;
  Index beyond = 0;
};

/// The walls of one layer, unit by unit, in the values that the layer reads.
template <class Body>
void for_each_wall(const Op& op, const std::vector<std::uint16_t>& pieces, const Body& body) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Index unit = static_cast<Index>(i), p = pieces[i];
    if (const Piecewise* f = std::get_if<Piecewise>(&op)) {
      const Index row = f->row_of(unit);
      if (p > 0) body(unit, WallForm{unit, -1, -1, -f->breaks(row, p - 1), p - 1});
      if (p + 1 < f->pieces()) body(unit, WallForm{unit, -1, 1, f->breaks(row, p), p + 1});
      continue;
    }
    const Maximum& max = std::get<Maximum>(op);
    const Index* const slots = max.index.data() + unit * max.width;
    for (Index j = 0; j < max.width; ++j) {
      if (j != p && slots[j] >= 0) body(unit, WallForm{slots[j], slots[p], 1, 0, j});
    }
  }
}

}  // namespace unrect
