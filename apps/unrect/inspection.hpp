// All that `unrect inspect` finds out about one point, as data; printing, JSON, npz and pictures are views of it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "unrect/base/array.hpp"
#include "unrect/base/context.hpp"
#include "unrect/polytope/chebyshev.hpp"
#include "unrect/region/atoms.hpp"
#include "unrect/region/boundary.hpp"
#include "unrect/region/paths.hpp"

namespace unrect::cli {

struct InspectOptions {
  Index top = 5;                        // atoms and paths listed
  bool all_facets = false;              // even where that takes very long
  std::optional<Box> box;               // the ball stays within it, facets need not be reached beyond it
  std::uint64_t seed = Context{}.seed;  // of the rays that look for facets of large networks
  const Context* context = nullptr;
};

struct ListedAtom {
  Atom atom;
  PathCount paths;
  std::vector<Path> heaviest;
};

struct Inspection {
  explicit Inspection(Region around) : region(std::move(around)) {}

  Region region;
  Vector input, output;
  std::vector<Unit> on_boundary;
  std::optional<AffineMap> map;  // absent where it is too large to hold
  double map_error = 0;          // ‖A x + c − M(x)‖ / ‖M(x)‖

  Index walls = 0;                         // inequalities of Q_d
  std::optional<RegionPolytope> polytope;  // absent where it is too large to hold
  std::vector<RegionFacet> facets;         // without normal and witness where only rays were shot
  bool facets_complete = false;
  Index undecided = 0;             // inequalities that may be facets or not: an exact decision would have been too long
  std::optional<RegionBall> ball;  // the Chebyshev ball; absent for large networks
  std::optional<NearestBoundary> nearest;  // absent where it would take hours

  /// Whether the input's configuration is a region's: not if so many pieces meet at the input that the one which its
  /// units are on by convention has no interior. Nothing where that was not asked or not decided.
  std::optional<bool> is_region() const {
    if (on_boundary.empty()) return true;
    return ball ? ball->occurs() : std::nullopt;
  }

  bool has_atoms = false;
  std::string why_no_atoms;
  Index atom_count = 0;
  std::vector<ListedAtom> atoms;
  Vector truncation;  // relative Frobenius error after 0, 1, … of the listed atoms

  std::vector<std::pair<std::string, double>> bounds;  // none if there is no region
};

/// @throws Error kCancelled if the context's progress says so.
Inspection inspect(const Network& network, const VectorRef& x, const InspectOptions& options);

nlohmann::ordered_json to_json(const Inspection& inspection);
std::string to_text(const Inspection& inspection);
ArrayMap to_arrays(const Inspection& inspection);

/// "layer 1 unit 17", several joined by " + "; short: "1:17".
std::string wall_text(const std::vector<Wall>& walls);
std::string wall_label(const Wall& wall);

}  // namespace unrect::cli
