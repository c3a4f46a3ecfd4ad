#include "unrect/partition/point_pieces.hpp"

#include <cmath>
#include <limits>

#include "unrect/region/configuration.hpp"

namespace unrect {

PointPieces::PointPieces(const Refinement& refinement)
    : refinement_(refinement),
      filters_(filters_of(refinement.stages(), refinement.domain())),
      exact_(refinement.stages(), refinement.domain()) {}

std::optional<std::vector<std::uint16_t>> PointPieces::at(const VectorRef& t) {
  const Stages& stages = refinement_.stages();
  const Trace pass = trace(refinement_.network(), refinement_.domain().point(t));
  output_ = pass.output;
  std::vector<std::uint16_t> pieces(static_cast<std::size_t>(stages.units()), 0);
  for (std::size_t l = 0; l < stages.of_layer.size(); ++l) {
    const int s = stages.of_layer[l];
    const Piecewise& f = *stages[s].piecewise();
    const Vector& error = filters_[static_cast<std::size_t>(s)].error;
    for (Index i = 0; i < stages[s].size; ++i) {
      std::uint16_t& piece = pieces[static_cast<std::size_t>(stages.first_unit[l] + i)];
      for (Index b = 0; b < f.breaks.cols(); ++b) {
        const double at = f.breaks(f.row_of(i), b);
        const double value = pass.pre_activations[l][i] - at;
        const double doubt = 2 * error[i] + 2 * std::numeric_limits<double>::epsilon() * std::abs(at);
        int sign = value > doubt ? 1 : -1;
        if (!(std::abs(value) > doubt)) {
          const Hyperplane wall{s, i, -1, at, b, i};
          sign = exact_.sign_of(wall, t, pieces);
          if (sign == 0 && !exact_.is_constant(wall, pieces)) return {};
        }
        if (sign > 0) piece = static_cast<std::uint16_t>(b + 1);
      }
    }
  }
  return pieces;
}

}  // namespace unrect
