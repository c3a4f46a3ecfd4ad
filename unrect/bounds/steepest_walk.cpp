#include "unrect/bounds/internal/steepest_walk.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace unrect {
namespace {

constexpr double kBetter = 1e-12;  // what counts as steeper, relative
// Steps for which a unit that was flipped stays as it is: of as many again, at random.
constexpr int kTenure = 5;
constexpr Index kTenureSpread = 8;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

double SteepestWalk::norm_of(const Pattern& pattern) {
  ++norms;
  graph_->slopes(pattern, program_);
  return induced_norm(UnitGraph::map_of(program_).center, from_, to_);
}

std::optional<SteepestWalk::Region> SteepestWalk::run(const VectorRef& start, double above, int patience,
                                                      const std::function<bool()>& stop) {
  std::optional<Region> best;
  // What double says of a point is believed on the way; what is reported has its interior proved.
  const auto report = [&](const Vector& point, double norm) {
    if (!(norm > (best ? best->norm : above) * (1 + kBetter))) return;
    std::vector<std::uint16_t> pieces;
    if (!cone_->is_interior(point, pieces)) return;
    Pattern pattern(pieces.begin(), pieces.end());
    const double proved = norm_of(pattern);
    if (proved > (best ? best->norm : above)) best = Region{std::move(pattern), point, proved};
  };
  Pattern here = graph_->pattern_at(cone_->axes(), start);
  double norm = norm_of(here), top = norm;
  report(start, norm);
  std::set<Pattern> closed;  // no point was found in them
  std::vector<int> free_at(here.size(), 0);
  for (int step = 1, since = 0; since <= patience && !stop(); ++step) {
    std::vector<std::pair<double, Index>> neighbours;
    for (Index i = 0; i < graph_->units(); ++i) {
      if (!graph_->unit(i).bends() || free_at[at(i)] > step) continue;
      here[at(i)] = static_cast<signed char>(1 - here[at(i)]);
      if (!closed.contains(here)) {
        const double there = norm_of(here);
        if (patience > 0 || there > norm * (1 + kBetter)) neighbours.emplace_back(-there, i);
      }
      here[at(i)] = static_cast<signed char>(1 - here[at(i)]);
    }
    std::ranges::sort(neighbours);
    for (const auto& [minus, unit] : neighbours) {
      here[at(unit)] = static_cast<signed char>(1 - here[at(unit)]);
      if (const std::optional<Vector> point = cone_->point_inside(here)) {
        norm = -minus;
        report(*point, norm);
        free_at[at(unit)] = step + kTenure + static_cast<int>(rng_.below(kTenureSpread));
        break;
      }
      closed.insert(here);
      here[at(unit)] = static_cast<signed char>(1 - here[at(unit)]);
      if (stop()) return best;
    }
    // Nowhere to go yet: units become free with time.
    since = norm > top * (1 + kBetter) ? 0 : since + 1;
    top = std::max(top, norm);
  }
  return best;
}

}  // namespace unrect
