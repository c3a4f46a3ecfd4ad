// All that `unrect inspect` finds out about one point, as data; printing, JSON, npz and pictures are views of it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "unrect/base/array.hpp"
#include "unrect/polytope/chebyshev.hpp"
#include "unrect/region/atoms.hpp"
#include "unrect/region/boundary.hpp"
#include "unrect/region/paths.hpp"

namespace unrect::cli {

struct InspectOptions {
  Index top = 5;            // atoms and paths listed
  bool all_facets = false;  // even where that takes very long
  std::optional<Box> box;   // the ball stays within it, facets need not be reached beyond it
  std::uint64_t seed = 0;   // of the rays that look for facets of large networks
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
  AffineMap map;
  double map_error = 0;  // ‖A x + c − M(x)‖ / ‖M(x)‖

  Index walls = 0;                         // inequalities of Q_d
  std::optional<RegionPolytope> polytope;  // absent where it is too large to hold
  std::vector<RegionFacet> facets;         // without normal and witness where only rays were shot
  bool facets_complete = false;
  std::optional<Ball> ball;  // the Chebyshev ball; absent for large networks
  NearestBoundary nearest;

  bool has_atoms = false;
  std::string why_no_atoms;
  Index atom_count = 0;
  std::vector<ListedAtom> atoms;
  Vector truncation;  // relative Frobenius error after 0, 1, … of the listed atoms

  std::vector<std::pair<std::string, double>> bounds;
};

Inspection inspect(const Network& network, const VectorRef& x, const InspectOptions& options);

nlohmann::ordered_json to_json(const Inspection& inspection);
std::string to_text(const Inspection& inspection);
ArrayMap to_arrays(const Inspection& inspection);

/// "layer 1 unit 17", several joined by " + "; short: "1:17".
std::string wall_text(const std::vector<Wall>& walls);
std::string wall_label(const Wall& wall);

}  // namespace unrect::cli
