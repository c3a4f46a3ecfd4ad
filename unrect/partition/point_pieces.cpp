#include "unrect/partition/internal/point_pieces.hpp"

#include <cmath>
#include <limits>

#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/region/configuration.hpp"

namespace unrect {

PointPieces::PointPieces(const Refinement& refinement)
    : refinement_(refinement),
      filters_(filters_of(refinement.stages(), refinement.domain())),
      exact_(refinement.stages(), refinement.domain()) {}

template <class Side>
std::optional<std::vector<std::uint16_t>> PointPieces::pass(const Side& side) {
  const Stages& stages = refinement_.stages();
  std::vector<std::uint16_t> pieces(static_cast<std::size_t>(stages.units()), 0);
  for (std::size_t l = 0; l < stages.of_layer.size(); ++l) {
    const int s = stages.of_layer[l];
    const Piecewise& f = *stages[s].piecewise();
    for (Index i = 0; i < stages[s].size; ++i) {
      for (Index b = 0; b < f.breaks.cols(); ++b) {
        const Hyperplane wall{s, i, -1, f.breaks(f.row_of(i), b), b, i};
        const int sign = side(l, wall, pieces);
        if (sign == 0 && !exact_.is_constant(wall, pieces)) return {};
        if (sign > 0) pieces[static_cast<std::size_t>(stages.first_unit[l] + i)] = static_cast<std::uint16_t>(b + 1);
      }
    }
  }
  return pieces;
}

std::optional<std::vector<std::uint16_t>> PointPieces::at(const VectorRef& t) {
  const Trace forward = trace(refinement_.network(), refinement_.domain().point(t));
  output_ = forward.output;
  return pass([&](std::size_t l, const Hyperplane& wall, std::span<const std::uint16_t> pieces) {
    const double value = forward.pre_activations[l][wall.row] - wall.threshold;
    const double doubt = 2 * filters_[static_cast<std::size_t>(wall.stage)].error[wall.row] +
                         2 * std::numeric_limits<double>::epsilon() * std::abs(wall.threshold);
    if (std::abs(value) > doubt) return value > 0 ? 1 : -1;
    return exact_.sign_of(wall, t, pieces);
  });
}

std::optional<std::vector<std::uint16_t>> PointPieces::at(const ExactPoint& t) {
  return pass([&](std::size_t, const Hyperplane& wall, std::span<const std::uint16_t> pieces) {
    return exact_.sign_of(wall, t, pieces);
  });
}

}  // namespace unrect
