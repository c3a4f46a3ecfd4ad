#include "inspection.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "unrect/base/error.hpp"
#include "unrect/bounds/lipschitz.hpp"
#include "unrect/view/table.hpp"

namespace unrect::cli {
namespace {

constexpr Index kHoldElements = Index{1} << 25;   // a polytope of up to 256 MB is held whole
constexpr Index kMapElements = Index{1} << 27;    // and an affine map of up to 1 GB
constexpr Index kExactInputs = 64;                // beyond, exact facets are a matter of minutes: only on request
constexpr Index kSweepElements = Index{1} << 32;  // larger polytopes are not swept for the nearest wall: hours
constexpr Index kRays = 512;                      // shot instead
constexpr Index kRayElements = Index{1} << 27;    // of slopes along rays, 1 GB
constexpr Index kPrintedUnits = 64;               // of a layer's configuration in the text

void report(const InspectOptions& options, std::string_view what) {
  if (options.context == nullptr || !options.context->progress) return;
  UNRECT_REQUIRE(options.context->progress({what, 0, 0}), ErrorCode::kCancelled, "inspect: cancelled before the {}",
                 what);
}

void inspect_boundary(Inspection& result, const InspectOptions& options) {
  const Region& region = result.region;
  report(options, "nearest wall");
  if (result.polytope) {
    result.nearest = nearest_boundary(*result.polytope, result.input);
  } else if (result.walls * result.input.size() <= kSweepElements || options.all_facets) {
    result.nearest = nearest_boundary(region, result.input);
  }
  report(options, "facets");
  if (result.polytope && (options.all_facets || result.input.size() <= kExactInputs)) {
    result.ball = largest_ball(region, *result.polytope, options.box);
    const Ball& ball = result.ball->ball;
    if (result.ball->occurs() != true || ball.radius <= 0) return;
    // A sliver's centre may be rounded onto a wall: then nothing is strictly inside.
    const Halfspaces q = scaled_rows(result.polytope->halfspaces);
    const bool inside = (q.slacks(ball.center).array() > 0 || (q.normals.array() == 0).rowwise().all()).all();
    if (!inside) return;
    RegionFacetOptions how;
    if (options.box && (options.box->lower.array() < options.box->upper.array()).all()) how.box = options.box;
    std::vector<Index> undecided;
    how.region = &region;
    how.effort = kExactEffort;
    how.undecided = &undecided;
    how.context = options.context;
    result.facets = region_facets(*result.polytope, ball.center, how);
    result.undecided = static_cast<Index>(undecided.size());
    result.facets_complete = undecided.empty();
    return;
  }
  const Index rays = std::min(kRays, kRayElements / std::max<Index>(result.walls, 1));
  if (rays == 0) return;
  for (const Wall& wall : facets_hit(region, result.input, rays, Rng(options.seed))) {
    result.facets.push_back({{wall}, {}, 0, {}});
  }
}

void inspect_atoms(Inspection& result, Index top) {
  try {
    const Factors f = factors(result.region);
    if (f.depth() < 2) {
      result.why_no_atoms = "no hidden layer";
      return;
    }
    const AtomicDecomposition decomposition(f);
    result.has_atoms = true;
    result.atom_count = decomposition.size();
    const std::vector<Atom> atoms = decomposition.top(top);
    result.truncation = decomposition.truncation_errors(atoms);
    for (const Atom& atom : atoms) {
      result.atoms.push_back({atom, path_count(f, atom.p, atom.q), heaviest_paths(f, atom.p, atom.q, 1)});
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    result.why_no_atoms = error.what();
  }
}

std::string digits(const std::vector<std::uint16_t>& pieces, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(pieces.size(), most); ++i) {
    text += pieces[i] < 10 ? std::to_string(pieces[i]) : fmt::format("({})", pieces[i]);
  }
  return pieces.size() > most ? text + "…" : text;
}

std::size_t count_active(const std::vector<std::uint16_t>& pieces) {
  std::size_t active = 0;
  for (const std::uint16_t p : pieces) active += p != 0;
  return active;
}

std::string numbers(const Vector& v, Index most = 12) {
  std::string text;
  for (Index i = 0; i < std::min(v.size(), most); ++i) text += fmt::format("{}{:.6g}", i ? ", " : "", v[i]);
  return v.size() > most ? text + ", …" : text;
}

std::vector<double> list(const Vector& v) { return {v.begin(), v.end()}; }

nlohmann::ordered_json matrix_json(const Matrix& m) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (Index i = 0; i < m.rows(); ++i) rows.push_back(list(m.row(i).transpose()));
  return rows;
}

nlohmann::ordered_json walls_json(const std::vector<Wall>& walls) {
  nlohmann::ordered_json units = nlohmann::ordered_json::array();
  for (const Wall& wall : walls) {
    units.push_back({{"layer", wall.unit.layer}, {"unit", wall.unit.index}, {"beyond", wall.beyond}});
  }
  return units;
}

void add_map_text(std::string& text, const Inspection& r) {
  if (!r.map) {
    text += fmt::format("\naffine map  not formed: A is {}×{}\n", r.output.size(), r.input.size());
    return;
  }
  const Matrix& linear = r.map->linear;
  text += fmt::format("\naffine map  A is {}×{}, |A|_F = {:.6g}, error |Ax + c - M(x)| / |M(x)| = {:.1e}\n",
                      linear.rows(), linear.cols(), linear.stableNorm(), r.map_error);
  if (linear.rows() > 8 || linear.cols() > 8) return;
  Table table{{"output"}, {}, {}};
  for (Index j = 0; j < linear.cols(); ++j) table.header.push_back(fmt::format("x{}", j));
  table.header.push_back("c");
  for (Index i = 0; i < linear.rows(); ++i) {
    std::vector<std::string> row{fmt::format("y{}", i)};
    for (Index j = 0; j < linear.cols(); ++j) row.push_back(fmt::format("{:.6g}", linear(i, j)));
    row.push_back(fmt::format("{:.6g}", r.map->constant[i]));
    table.rows.push_back(std::move(row));
  }
  text += unrect::to_text(table);
}

void add_boundary_text(std::string& text, const Inspection& r) {
  text += fmt::format("\npolytope    {} inequalities, {}{} facets\n", r.walls, r.facets_complete ? "" : "at least ",
                      r.facets.size());
  if (!r.facets_complete && !r.ball) {
    text += "            (found by rays; --all-facets decides every inequality)\n";
  } else if (r.undecided > 0) {
    text += fmt::format("            ({} more may be: exact arithmetic would take too long to say)\n", r.undecided);
  }
  if (!r.nearest) {
    text += "nearest     not looked for: a sweep of all inequalities would take hours (--all-facets asks for it)\n";
  } else if (r.nearest->walls.empty()) {
    text += "nearest     no boundary: the map is the same everywhere\n";
  } else {
    text += fmt::format("nearest     {:.6g} away: {}\n", r.nearest->distance, wall_text(r.nearest->walls));
  }
  if (r.ball && !r.ball->verified) {
    text += "ball        not decided: the inequalities hold together only within rounding\n";
  } else if (r.ball && r.ball->occurs() == false) {
    text += "ball        none: the region is empty or flat\n";
  } else if (r.ball && r.ball->ball.status == BallStatus::kUnbounded) {
    text += "ball        unbounded: the region holds balls of every size\n";
  } else if (r.ball) {
    text += fmt::format("ball        radius {:.6g} around ({})\n", r.ball->ball.radius, numbers(r.ball->ball.center));
  } else if (r.nearest) {
    text += fmt::format("ball        radius {:.6g} around the input\n", r.nearest->distance);
  }
  if (r.facets.empty() || !r.facets_complete) return;
  Table table{{"facet", "units", "distance from input"}, {}, {}};
  for (std::size_t i = 0; i < std::min<std::size_t>(r.facets.size(), 20); ++i) {
    const RegionFacet& f = r.facets[i];
    table.rows.push_back(
        {std::to_string(i), wall_text(f.walls), fmt::format("{:.6g}", f.offset - f.normal.dot(r.input))});
  }
  text += "\n" + unrect::to_text(table);
  if (r.facets.size() > 20) text += fmt::format("… and {} more\n", r.facets.size() - 20);
}

void add_atoms_text(std::string& text, const Inspection& r) {
  if (!r.has_atoms) {
    text += fmt::format("\natoms       none: {}\n", r.why_no_atoms);
    return;
  }
  text += fmt::format("\natoms       {} with a coefficient that is not zero\n", r.atom_count);
  Table table{{"p", "q", "coefficient", "norm", "error left", "paths", "heaviest path", "product"}, {}, {}};
  for (std::size_t i = 0; i < r.atoms.size(); ++i) {
    const ListedAtom& a = r.atoms[i];
    table.rows.push_back({std::to_string(a.atom.p), std::to_string(a.atom.q), fmt::format("{:.6g}", a.atom.coefficient),
                          fmt::format("{:.6g}", a.atom.weight),
                          fmt::format("{:.4f}", r.truncation[static_cast<Index>(i) + 1]), a.paths.to_string(),
                          a.heaviest.empty() ? "" : fmt::format("{}", fmt::join(a.heaviest[0].units, " → ")),
                          a.heaviest.empty() ? "" : fmt::format("{:.4g}", a.heaviest[0].product)});
  }
  text += unrect::to_text(table);
}

}  // namespace

std::string wall_label(const Wall& wall) { return fmt::format("{}:{}", wall.unit.layer, wall.unit.index); }

std::string wall_text(const std::vector<Wall>& walls) {
  std::string text;
  for (const Wall& wall : walls) {
    text += fmt::format("{}layer {} unit {}", text.empty() ? "" : " + ", wall.unit.layer, wall.unit.index);
  }
  return text;
}

Inspection inspect(const Network& network, const VectorRef& x, const InspectOptions& options) {
  Trace trace = unrect::trace(network, x);
  Index units = 0;
  for (const auto& layer : trace.configuration.layers) units += static_cast<Index>(layer.size());
  // Beyond, which is no place for exact arithmetic, a unit that is within rounding of its break is said to be on it.
  std::vector<Unit> on_boundary = units * x.size() <= kHoldElements ? settle_pieces(network, x, trace.configuration)
                                                                    : boundary_units(network, trace);
  Inspection result(Region(network, trace.configuration));
  result.input = x;
  result.output = trace.output;
  result.on_boundary = std::move(on_boundary);
  if (x.size() <= kExactInputs) result.on_boundary = units_with_a_wall(result.region, result.on_boundary);
  result.walls = result.region.offsets_and_walls().first.size();
  report(options, "affine map");
  if (result.walls * network.input_size() <= kHoldElements) {
    auto [map, polytope] = result.region.affine_map_and_polytope();
    result.map = std::move(map);
    result.polytope = std::move(polytope);
  } else if (network.input_size() * network.output_size() <= kMapElements) {
    result.map = result.region.affine_map();
  }
  if (result.map) {
    const double scale = result.output.stableNorm();
    result.map_error = ((*result.map)(x)-result.output).stableNorm() / (scale > 0 ? scale : 1);
  }
  inspect_boundary(result, options);
  report(options, "atoms");
  inspect_atoms(result, options.top);
  report(options, "bounds");
  if (!result.map) {
    result.bounds = {{"spectral_graph", spectral_bound_graph(network)}};
  } else if (result.is_region() != false) {
    result.bounds = all_bounds(result.region);
  }
  return result;
}

nlohmann::ordered_json to_json(const Inspection& r) {
  nlohmann::ordered_json out;
  out["input"] = list(r.input);
  out["output"] = list(r.output);
  out["configuration"] = r.region.configuration().layers;
  out["on_boundary"] = nlohmann::ordered_json::array();
  for (const Unit& unit : r.on_boundary) out["on_boundary"].push_back({{"layer", unit.layer}, {"unit", unit.index}});
  out["is_region"] = nullptr;
  if (const std::optional<bool> is_region = r.is_region()) out["is_region"] = *is_region;
  if (r.map) {
    out["affine_map"] = {{"linear", matrix_json(r.map->linear)}, {"constant", list(r.map->constant)}};
    out["affine_map_error"] = r.map_error;
  }
  out["inequalities"] = r.walls;
  out["facets"] = nlohmann::ordered_json::array();
  for (const RegionFacet& f : r.facets) {
    nlohmann::ordered_json facet{{"layer", f.walls[0].unit.layer}, {"unit", f.walls[0].unit.index}};
    facet["units"] = walls_json(f.walls);
    if (f.normal.size() > 0) {
      facet["normal"] = list(f.normal);
      facet["offset"] = f.offset;
      facet["distance"] = f.offset - f.normal.dot(r.input);
      facet["witness"] = list(f.witness);
    }
    out["facets"].push_back(std::move(facet));
  }
  out["facets_complete"] = r.facets_complete;
  if (r.undecided > 0) out["facets_undecided"] = r.undecided;
  if (r.ball && r.ball->occurs() == true) {
    out["ball"] = {{"center", list(r.ball->ball.center)},
                   {"radius", r.ball->ball.radius},
                   {"kind", r.ball->ball.status == BallStatus::kUnbounded ? "unbounded" : "largest"}};
  } else if (!r.ball && r.nearest) {
    out["ball"] = {{"center", list(r.input)}, {"radius", r.nearest->distance}, {"kind", "around the input"}};
  }
  if (r.nearest) {
    out["nearest"] = {
        {"distance", r.nearest->distance}, {"units", walls_json(r.nearest->walls)}, {"point", list(r.nearest->point)}};
  }
  if (r.has_atoms) {
    out["atoms"] = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < r.atoms.size(); ++i) {
      const ListedAtom& a = r.atoms[i];
      nlohmann::ordered_json atom{{"p", a.atom.p},
                                  {"q", a.atom.q},
                                  {"coefficient", a.atom.coefficient},
                                  {"norm", a.atom.weight},
                                  {"error_left", r.truncation[static_cast<Index>(i) + 1]},
                                  {"paths", a.paths.to_string()}};
      if (!a.heaviest.empty()) {
        atom["heaviest_path"] = {{"units", a.heaviest[0].units}, {"product", a.heaviest[0].product}};
      }
      out["atoms"].push_back(std::move(atom));
    }
    out["atom_count"] = r.atom_count;
  }
  for (const auto& [name, bound] : r.bounds) out["bounds"][name] = bound;
  return out;
}

std::string to_text(const Inspection& r) {
  std::string text;
  text += fmt::format("input       {}\n", numbers(r.input));
  text += fmt::format("output      {}\n\n", numbers(r.output));
  Table layers{{"layer", "units", "active", "configuration"}, {}, {}};
  const auto& configuration = r.region.configuration().layers;
  for (std::size_t l = 0; l < configuration.size(); ++l) {
    layers.rows.push_back({std::to_string(l), std::to_string(configuration[l].size()),
                           std::to_string(count_active(configuration[l])), digits(configuration[l], kPrintedUnits)});
  }
  text += unrect::to_text(layers);
  if (!r.on_boundary.empty()) {
    std::vector<Wall> walls;
    walls.reserve(r.on_boundary.size());
    for (const Unit& unit : r.on_boundary) walls.push_back({unit, 0});
    constexpr std::size_t kNamed = 20;
    const std::size_t all = walls.size();
    walls.resize(std::min(all, kNamed));
    text += fmt::format("on a boundary: {}{}\n", wall_text(walls),
                        all > kNamed ? fmt::format(" and {} more", all - kNamed) : "");
    if (r.is_region() == false) {
      text += fmt::format(
          "no region: pieces meet at this point along {} boundaries, and the configuration that its units have by\n"
          "convention (the lower piece at a break) holds nowhere else in an open set. The affine map is that\n"
          "configuration's; it says nothing about the network around the point, so no Lipschitz bounds are given.\n",
          all);
    } else {
      text += "what follows is about one of the regions that meet here, the one of the configuration above\n";
    }
  }
  add_map_text(text, r);
  add_boundary_text(text, r);
  add_atoms_text(text, r);
  if (r.bounds.empty()) return text;
  Table bounds{{"Lipschitz bound", "value", "over exact"}, {}, {}};
  const double exact = r.bounds.front().second;
  for (const auto& [name, bound] : r.bounds) {
    bounds.rows.push_back({name, fmt::format("{:.6g}", bound), exact > 0 ? fmt::format("{:.4g}", bound / exact) : "–"});
  }
  return text + "\n" + unrect::to_text(bounds);
}

ArrayMap to_arrays(const Inspection& r) {
  ArrayMap arrays;
  arrays["input"] = Array::from(r.input);
  arrays["output"] = Array::from(r.output);
  if (r.map) {
    arrays["A"] = Array::from(r.map->linear);
    arrays["c"] = Array::from(r.map->constant);
  }
  const auto& layers = r.region.configuration().layers;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    arrays[fmt::format("configuration_{}", l)] =
        Array::from(std::vector<std::int64_t>(layers[l].begin(), layers[l].end()));
  }
  if (r.polytope) {
    arrays["normals"] = Array::from(r.polytope->halfspaces.normals);
    arrays["offsets"] = Array::from(r.polytope->halfspaces.offsets);
    std::vector<std::int64_t> layer, unit;
    for (const Wall& wall : r.polytope->walls) {
      layer.push_back(wall.unit.layer);
      unit.push_back(wall.unit.index);
    }
    arrays["row_layer"] = Array::from(layer);
    arrays["row_unit"] = Array::from(unit);
  }
  std::vector<std::int64_t> facet, layer, unit;
  for (std::size_t i = 0; i < r.facets.size(); ++i) {
    for (const Wall& wall : r.facets[i].walls) {
      facet.push_back(static_cast<std::int64_t>(i));
      layer.push_back(wall.unit.layer);
      unit.push_back(wall.unit.index);
    }
  }
  arrays["facet"] = Array::from(facet);
  arrays["facet_layer"] = Array::from(layer);
  arrays["facet_unit"] = Array::from(unit);
  if (r.ball && r.ball->occurs() == true) {
    arrays["ball_center"] = Array::from(r.ball->ball.center);
    arrays["ball_radius"] = Array::from(Vector(Vector::Constant(1, r.ball->ball.radius)));
  }
  return arrays;
}

}  // namespace unrect::cli
