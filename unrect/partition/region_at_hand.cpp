#include "unrect/partition/internal/region_at_hand.hpp"

#include <fmt/format.h>

#include "unrect/base/error.hpp"

namespace unrect {

ParameterMap RegionAtHand::map() {
  UNRECT_REQUIRE(p_.last_stage() == p_.stages.last_layer_stage(), ErrorCode::kInvalidArgument,
                 "map of a region: the partition is by the first {} layers only", p_.layers);
  return forms_.output();
}

Matrix RegionAtHand::forms(int stage) const {
  const Forms& z = forms_.of(stage);
  Matrix out(z.size(), z.dimension() + 1);
  for (Index d = 0; d < out.cols(); ++d) {
    for (Index i = 0; i < z.size(); ++i) out(i, d) = z.row(d)[i];
  }
  return out;
}

Vector RegionAtHand::form_of(const Hyperplane& wall) const {
  Vector out(p_.domain.dimension() + 1);
  walls_.form_of(wall, out.data());
  return out;
}

}  // namespace unrect
