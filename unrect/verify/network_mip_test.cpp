#include "unrect/verify/network_mip.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/bounds/internal/networks_for_tests.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/verify/internal/regions_for_tests.hpp"

namespace unrect {
namespace {

Property over(const Network& network, const Box& box) {
  return {network.input_size(),
          network.output_size(),
          {{box,
            Halfspaces(Matrix(0, network.input_size()), Vector(0)),
            {Halfspaces(Matrix(0, network.output_size()), Vector(0))}}}};
}

// The values of all variables at an input: definitions from top to bottom, units by the network's own ops.
class Point {
 public:
  Point(const NetworkMip& exported, const Network& network, const VectorRef& x)
      : mip_(exported.mip), values_(Vector::Zero(static_cast<Index>(mip_.variables.size()))) {
    for (std::size_t v = 0; v < mip_.variables.size(); ++v) places_[mip_.variables[v].name] = static_cast<Index>(v);
    values_.head(x.size()) = x;
    for (const Mip::Variable& v : mip_.variables) {
      if (v.lower == v.upper) at(v.name) = v.lower;
    }
    for (std::size_t l = 0; l <= network.layers().size(); ++l) {
      // Every definition that comes before the units of layer l + 1 has been passed by; a unit's `def_a` comes after.
      for (const Mip::Row& row : mip_.rows) {
        if (!row.name.starts_with("def_")) continue;
        if (l < network.layers().size() && layer_of(row.name) > static_cast<int>(l) + 1) break;
        define(row);
      }
      if (l == network.layers().size()) break;
      const Node& node = network.node(network.layers()[l]);
      for (Index i = 0; i < node.size; ++i) unit(*node.op, fmt::format("{}_{}", l + 1, i), i, static_cast<int>(l) + 1);
    }
  }

  double& at(const std::string& name) { return values_[places_.at(name)]; }
  bool has(const std::string& name) const { return places_.contains(name); }
  const Vector& values() const { return values_; }
  /// This piece or slot instead of the unit's own one.
  void choose(const std::string& d) {
    const std::string unit = d.substr(0, d.rfind('_') + 1);
    for (const auto& [name, place] : places_) {
      if (!name.starts_with(unit)) continue;
      values_[place] = name == d ? 1 : 0;
      const std::string part = "z" + name.substr(1), whole = "z" + unit.substr(1, unit.size() - 2);
      if (has(part)) at(part) = name == d ? at(whole) : 0;
    }
  }
  double worst() const { return std::max(row_residuals(mip_, values_).maxCoeff(), beyond_bounds()); }

 private:
  // 3 of "def_z_3_0"; sums between layers and outputs have none.
  static int layer_of(const std::string& name) {
    return name.starts_with("def_z_") || name.starts_with("def_a_") ? std::atoi(name.c_str() + 6) : 0;
  }
  void define(const Mip::Row& row) {
    double sum = row.right;
    for (std::size_t t = 1; t < row.terms.size(); ++t) sum -= row.terms[t].second * values_[row.terms[t].first];
    values_[row.terms.front().first] = sum;
  }
  void unit(const Op& op, const std::string& place, Index i, int layer) {
    const std::string a = "a_" + place;
    if (const auto* f = std::get_if<Piecewise>(&op)) {
      const std::string z = "z_" + place;
      if (!has(z) || !has(a)) return;
      const Index piece = f->piece(i, at(z));
      const Index r = f->row_of(i);
      at(a) = f->slopes(r, piece) * at(z) + f->offsets(r, piece);
      if (has("d_" + place)) at("d_" + place) = piece == 1 ? 1 : 0;
      const std::string part = fmt::format("{}_{}", place, piece);
      if (has("d_" + part)) {
        at("d_" + part) = 1;
        at("z_" + part) = at(z);
      }
    } else if (has(a)) {
      double most = -1e300;
      std::string top;
      const auto& m = std::get<Maximum>(op);
      for (Index slot = 0; slot < m.width; ++slot) {
        const Index j = m.index[static_cast<std::size_t>(i * m.width + slot)];
        const std::string d = fmt::format("d_{}_{}", place, j);
        if (j < 0 || !has(d)) continue;
        const double z = at(fmt::format("z_{}_{}", layer, j));
        if (z <= most) continue;
        most = z;
        top = d;
      }
      at(a) = most;
      at(top) = 1;
    }
  }
  double beyond_bounds() const {
    double worst = 0;
    for (std::size_t v = 0; v < mip_.variables.size(); ++v) {
      const double value = values_[static_cast<Index>(v)];
      worst = std::max({worst, mip_.variables[v].lower - value, value - mip_.variables[v].upper});
    }
    return worst;
  }

  const Mip& mip_;
  std::map<std::string, Index> places_;
  Vector values_;
};

TEST(NetworkMip, HoldsAtEveryPointOfTheNetworkAndNotWithAWrongSide) {
  Rng rng(1);
  int turned = 0;
  for (std::uint64_t round = 0; round < rounds(60); ++round) {
    Rng own = rng.split(round);
    const Network network = network_of_every_kind(own.split(0));
    const Box box = cube(network.input_size(), 1);
    const Objective objective{own.normal_vector(2), 0.5};
    const NetworkMip exported = network_mip(network, over(network, box), {objective, true});
    EXPECT_EQ(exported.units, network.units());
    for (int sample = 0; sample < 20; ++sample) {
      const Vector x = own.uniform_vector(network.input_size(), -1, 1);
      Point point(exported, network, x);
      const Vector y = evaluate(network, x);
      const double size = 1 + point.values().cwiseAbs().maxCoeff();
      for (Index k = 0; k < 2; ++k) EXPECT_NEAR(point.at(fmt::format("y_{}", k)), y[k], 1e-12 * size) << round;
      EXPECT_NEAR(point.at("objective"), objective.direction.dot(y) + 0.5, 1e-11 * size);
      EXPECT_LE(point.worst(), 1e-12 * size) << round;
      for (const Mip::Variable& v : exported.mip.variables) {
        if (!v.integer) continue;
        Point wrong = point;
        if (std::ranges::count(v.name, '_') == 2) {
          // A rectifier that reads next to nothing may be on either side.
          if (std::abs(wrong.at("z" + v.name.substr(1))) < 1e-6) continue;
          wrong.at(v.name) = 1 - wrong.at(v.name);
        } else {
          if (wrong.at(v.name) == 1) continue;
          wrong.choose(v.name);
        }
        EXPECT_GT(wrong.worst(), 1e-7) << round << ": " << v.name;
        ++turned;
      }
    }
  }
  EXPECT_GT(turned, 1000);
}

TEST(NetworkMip, UnitsOnOnePieceHaveNoSide) {
  // z = x + 2, −x − 3, x: on, off, and open over −1 … 1.
  const Network network =
      Network::chain({Matrix{{1}, {-1}, {1}}, Matrix{{1, 1, 1}}}, {Vector{{2, -3, 0}}, Vector{{0}}});
  const NetworkMip exported = network_mip(network, over(network, cube(1, 1)));
  EXPECT_EQ(exported.units, 3);
  EXPECT_EQ(exported.stable, 2);
  EXPECT_EQ(exported.binaries, 1);
  std::string names;
  for (const Mip::Variable& v : exported.mip.variables) names += v.name + " ";
  EXPECT_EQ(names, "x_0 z_1_0 z_1_2 a_1_2 d_1_2 y_0 ");
  EXPECT_EQ(exported.mip.rows.size(), 2U + 3U + 1U);
  const NetworkMip relaxed = network_mip(network, over(network, cube(1, 1)), {{}, false, false, true});
  EXPECT_EQ(relaxed.binaries, 1);
  for (const Mip::Variable& v : relaxed.mip.variables) EXPECT_FALSE(v.integer);
}

// What a solver says of a program; nothing where there is no such solver.
class Solver {
 public:
  Solver() { std::filesystem::create_directories(folder_); }
  ~Solver() { std::filesystem::remove_all(folder_); }
  Solver(const Solver&) = delete;
  Solver& operator=(const Solver&) = delete;

  bool there(const std::string& program) const {
    if (std::system(("command -v " + program + " > /dev/null 2>&1").c_str()) == 0) return true;
    std::printf("no %s on the path (Debian: coinor-cbc, glpk-utils): its answer is not compared\n", program.c_str());
    return false;
  }
  MipSolution cbc(const Mip& mip, const std::string& ending) const {
    return solve(mip, ending, "cbc {} -ratioGap 0 -allowableGap 1e-9 -solve -solution {}");
  }
  MipSolution glpk(const Mip& mip, const std::string& ending) const {
    return solve(mip, ending, ending == ".lp" ? "glpsol --lp {} -w {}" : "glpsol --freemps {} -w {}");
  }

 private:
  MipSolution solve(const Mip& mip, const std::string& ending, const std::string& how) const {
    const std::filesystem::path file = folder_ / ("problem" + ending), answer = folder_ / "answer";
    write_mip(file, mip);
    std::filesystem::remove(answer);
    const std::string command = fmt::format(fmt::runtime(how), file.string(), answer.string()) + " > /dev/null 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return parse_mip_solution(read_file(answer), answer.string(), mip);
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("unrect_network_mip_" + std::to_string(getpid()));
};

TEST(NetworkMip, SolversFindWhatTheListOfRegionsHas) {
  const Solver solver;
  const bool cbc = solver.there("cbc"), glpk = solver.there("glpsol");
  Rng rng(2);
  for (std::uint64_t round = 0; round < rounds(20) && (cbc || glpk); ++round) {
    Rng own = rng.split(round);
    const Network network =
        round % 4 == 3 ? random_chain({2, 6, 6, 2}, own.split(5)) : network_of_every_kind(own.split(3));
    const Box box = cube(network.input_size(), 1);
    const Objective objective{own.normal_vector(2), own.uniform(-1, 1)};
    const double largest = largest_by_regions(network, box, objective.direction) + objective.constant;
    const NetworkMip exported = network_mip(network, over(network, box), {objective, true});
    const NetworkMip relaxed = network_mip(network, over(network, box), {objective, true, false, true});
    const std::string ending = round % 2 == 0 ? ".mps" : ".lp";
    const double doubt = 1e-6 * (1 + std::abs(largest));
    const auto compare = [&](const MipSolution& whole, const MipSolution& loose) {
      EXPECT_EQ(whole.status, "Optimal") << round;
      EXPECT_EQ(loose.status, "Optimal") << round;
      EXPECT_NEAR(whole.values[exported.objective], largest, doubt) << round;
      EXPECT_GE(loose.values[relaxed.objective], largest - doubt) << round;
      const Vector y = evaluate(network, whole.values.head(exported.inputs));
      EXPECT_NEAR(objective.direction.dot(y) + objective.constant, largest, doubt) << round;
    };
    if (cbc) compare(solver.cbc(exported.mip, ending), solver.cbc(relaxed.mip, ending));
    if (glpk) compare(solver.glpk(exported.mip, ending), solver.glpk(relaxed.mip, ending));
  }
}

// Two boxes, two unsafe sets in the second: y = |x₀| + |x₁|.
TEST(NetworkMip, CasesAndUnsafeSetsAreToldApart) {
  const Matrix w{{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
  const Network network = Network::chain({w, Matrix::Ones(1, 4)}, {Vector::Zero(4), Vector::Zero(1)});
  const auto at_least = [](double y) { return Halfspaces(Matrix{{-1}}, Vector{{-y}}); };
  const auto at_most = [](double y) { return Halfspaces(Matrix{{1}}, Vector{{y}}); };
  const Halfspaces none(Matrix(0, 2), Vector(0));
  const Halfspaces diagonal(Matrix{{1, 1}}, Vector{{4.5}});  // x₀ + x₁ ≤ 4.5
  const Property property{2,
                          1,
                          {{Box(Vector{{-1, -1}}, Vector{{1, 1}}), none, {at_least(1.5)}},
                           {Box(Vector{{1, 1}}, Vector{{3, 2}}), diagonal, {at_most(1), at_least(2.25)}}}};
  const Solver solver;
  if (!solver.there("cbc")) return;
  const auto value = [&](bool maximize, const Property& of, bool unsafe) {
    const NetworkMip exported = network_mip(network, of, {Objective{Vector::Ones(1)}, maximize, unsafe});
    const MipSolution solution = solver.cbc(exported.mip, ".lp");
    const Vector x = solution.values.head(2);
    EXPECT_TRUE(solution.status != "Optimal" || !unsafe || of.contains(x, evaluate(network, x), 1e-6));
    return std::pair(solution.status, solution.values[exported.objective]);
  };
  EXPECT_NEAR(value(true, property, false).second, 4.5, 1e-6);
  EXPECT_NEAR(value(false, property, false).second, 0, 1e-6);
  EXPECT_NEAR(value(true, property, true).second, 4.5, 1e-6);
  EXPECT_NEAR(value(false, property, true).second, 1.5, 1e-6);
  Property second = property;
  second.cases.erase(second.cases.begin());
  EXPECT_NEAR(value(false, second, true).second, 2.25, 1e-6);
  second.cases[0].unsafe_outputs.pop_back();
  EXPECT_EQ(value(false, second, true).first, "Infeasible");
}

TEST(NetworkMip, Refusals) {
  const Network network = random_chain({2, 3, 1}, Rng(1));
  EXPECT_THROW(network_mip(network, Property{3, 1, {}}), Error);
  EXPECT_THROW(network_mip(network, Property{2, 1, {}}), Error);
  EXPECT_THROW(network_mip(network, over(network, cube(2, 1)), {Objective{Vector::Ones(2)}}), Error);
  const Network huge = Network::chain({Matrix{{1e300}}, Matrix{{1e300}}}, {Vector::Zero(1), Vector::Zero(1)});
  EXPECT_THROW(network_mip(huge, over(huge, cube(1, 1))), Error);
}

}  // namespace
}  // namespace unrect
