// Thousands of tiny networks, a third of them degenerate on purpose: the refinement's configurations, counts, maps and
// vertices against the oracle in rationals.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>

#include "unrect/base/error.hpp"
#include "unrect/forms/internal/oracle_for_tests.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/explore.hpp"
#include "unrect/partition/internal/cell_faces.hpp"

namespace unrect::oracle {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

enum class Numbers { kNormal, kFloat, kInteger, kQuarter };

class Maker {
 public:
  explicit Maker(Rng rng) : rng_(rng) {}

  Case make() {
    degenerate_ = one_in(3);
    numbers_ = static_cast<Numbers>(degenerate_ && one_in(2) ? 2 + rng_.below(2) : rng_.below(4));
    k_ = 1 + rng_.below(4);
    budget_ = k_ <= 2 ? 12 : k_ == 3 ? 11 : 9;
    switch (rng_.below(8)) {
      case 0:
        return activations();
      case 1:
        return maxima();
      case 2:
        return residual();
      case 3:
        return convolution();
      default:
        return chain();
    }
  }

 private:
  bool one_in(Index n) { return rng_.below(n) == 0; }

  double number() {
    switch (numbers_) {
      case Numbers::kInteger:
        return static_cast<double>(rng_.below(5) - 2);
      case Numbers::kQuarter:
        return static_cast<double>(rng_.below(13) - 6) / 4;
      case Numbers::kFloat:
        return static_cast<float>(rng_.normal());
      default:
        return rng_.normal();
    }
  }
  Vector vector(Index size) {
    return Vector::NullaryExpr(size, [&] { return number(); });
  }
  Matrix matrix(Index rows, Index cols) {
    return Matrix::NullaryExpr(rows, cols, [&] { return number(); });
  }

  Domain domain(Index inputs) {
    if (inputs == k_ && !one_in(6)) {
      Domain out(box(k_));
      return constrained(std::move(out));
    }
    if (inputs > k_ && one_in(2)) {  // some inputs held fixed
      Box whole = box(inputs);
      for (Index i = inputs; i > k_; --i) {
        Index j = rng_.below(inputs);
        while (whole.lower[j] == whole.upper[j]) j = (j + 1) % inputs;
        whole.lower[j] = whole.upper[j];
      }
      return Domain(whole);
    }
    for (;;) {
      Matrix axes = matrix(inputs, k_);
      if (inputs > 2 && one_in(3)) axes.row(0).setZero();
      try {
        return constrained(Domain(vector(inputs), axes, box(k_)));
      } catch (const Error&) {  // dependent axes
      }
    }
  }
  Box box(Index size) {
    if (!one_in(3)) return {Vector::Constant(size, -1), Vector::Constant(size, 1)};
    Vector lower = vector(size);
    Vector upper = lower;
    for (double& u : upper)
      u += numbers_ == Numbers::kInteger ? static_cast<double>(1 + rng_.below(3)) : 0.1 + rng_.uniform();
    return {lower, upper};
  }
  Domain constrained(Domain domain) {
    if (!one_in(6)) return domain;
    const Index rows = 1 + rng_.below(3);
    Vector offsets = vector(rows);
    if (!one_in(4)) offsets = offsets.cwiseAbs();
    domain.constraints = Halfspaces(matrix(rows, k_), offsets);
    return domain;
  }

  // Rows that repeat, vanish, and hyperplanes that meet in one point of the inputs.
  Dense dense(Index rows, Index cols, const Domain* first) {
    Dense op{matrix(rows, cols), vector(rows)};
    if (one_in(5)) op.bias.setZero();
    if (!degenerate_) return op;
    Vector common = vector(cols);
    if (first != nullptr) {
      Vector t = first->box.lower;
      for (Index d = 0; d < t.size(); ++d) {
        if (one_in(2)) t[d] = first->box.upper[d];
      }
      common = first->point(one_in(2) ? t : Vector(first->box.center()));
    }
    const bool meet = one_in(2);
    for (Index i = 0; i < rows; ++i) {
      if (i > 0 && one_in(4)) {
        constexpr double kScales[] = {1, -1, 2, -0.5, 1, -1};
        const double scale = kScales[rng_.below(6)];
        const Index from = rng_.below(i);
        op.weight.row(i) = scale * op.weight.row(from);
        op.bias[i] = scale * op.bias[from];
        if (one_in(3)) op.bias[i] += 1;
      } else if (one_in(6)) {
        op.weight.row(i).setZero();
        op.bias[i] = static_cast<double>(rng_.below(3) - 1);
      } else if (meet && !one_in(4)) {
        op.bias[i] = -op.weight.row(i).dot(common);
      }
    }
    return op;
  }

  Case chain() {
    const Index inputs = one_in(4) ? k_ + rng_.below(3) : k_;
    const Domain where = domain(inputs);
    std::vector<Matrix> weights;
    std::vector<Vector> biases;
    Index width = inputs;
    const Index layers = 1 + rng_.below(3);
    for (Index l = 0; l < layers && budget_ > 0; ++l) {
      const Index units = l + 1 == layers ? budget_ : 1 + rng_.below(std::min<Index>(budget_, 6));
      Dense op = dense(one_in(8) ? units : std::min<Index>(units, 6), width, l == 0 ? &where : nullptr);
      width = op.weight.rows();
      budget_ -= width;
      weights.push_back(std::move(op.weight));
      biases.push_back(std::move(op.bias));
    }
    weights.push_back(matrix(1 + rng_.below(2), width));
    biases.push_back(vector(weights.back().rows()));
    return {"chain", Network::chain(weights, biases), where};
  }

  Piecewise activation(Index units) {
    switch (rng_.below(9)) {
      case 0:
        return leaky_relu(one_in(2) ? 0.25 : 0.1);
      case 1:
        return leaky_relu(-0.5);
      case 2:
        return clip(-1, 1);
      case 3:
        return one_in(4) ? clip(0.5, 0.5) : clip(0, 1);
      case 4:
        return absolute();
      case 5:
        return hard_sigmoid(0.2, 0.5);
      case 6:
        return soft_threshold(one_in(4) ? 0 : 0.5);
      case 7:
        return parametric_relu(vector(units));
      default: {  // a staircase of each unit's own, with a flat piece that is not zero
        Piecewise f{"Stairs", Matrix(units, 3), Matrix(units, 4), Matrix(units, 4)};
        for (Index i = 0; i < units; ++i) {
          f.breaks.row(i) << -1, 0, static_cast<double>(rng_.below(2));
          f.slopes.row(i) << 1, 0, 2, 0;
          f.offsets.row(i) << 1, 0, 0, 2 * f.breaks(i, 2);
        }
        return f;
      }
    }
  }

  Case activations() {
    const Domain where = domain(k_);
    NetworkBuilder b(Shape{k_});
    int last = 0;
    Index units = std::min<Index>(budget_, 8);
    std::string name;
    while (units > 0) {
      const Index width = 1 + rng_.below(std::min<Index>(units, 4));
      units -= width;
      last = b.add(dense(width, b.size(last), last == 0 ? &where : nullptr), {last});
      const Piecewise f = one_in(4) ? relu() : activation(width);
      name += " " + f.kind;
      last = b.add(f, {last});
    }
    last = b.add(dense(1, b.size(last), nullptr), {last});
    return {"activations" + name, std::move(b).build(last), where};
  }

  Maximum windows(Index units, Index width, Index size) {
    Maximum m{width, {}};
    for (Index i = 0; i < units; ++i) {
      for (Index slot = 0; slot < width; ++slot) m.index.push_back(one_in(8) ? -1 : rng_.below(size));
      if (std::all_of(m.index.end() - width, m.index.end(), [](Index j) { return j < 0; })) m.index.back() = 0;
    }
    return m;
  }

  Case maxima() {
    const Domain where = domain(k_);
    NetworkBuilder b(Shape{k_});
    int last = b.add(dense(3 + rng_.below(3), k_, &where), {0});
    if (one_in(2)) last = b.add(relu(), {last});
    last = b.add(windows(1 + rng_.below(3), 2 + rng_.below(3), b.size(last)), {last});
    if (one_in(2)) {
      last = b.add(dense(3, b.size(last), nullptr), {last});
      last = one_in(2) ? b.add(relu(), {last}) : b.add(windows(2, 3, 3), {last});
    }
    last = b.add(dense(1, b.size(last), nullptr), {last});
    return {"maxima", std::move(b).build(last), where};
  }

  Case residual() {
    const Domain where = domain(k_);
    NetworkBuilder b(Shape{k_});
    const Index width = 2 + rng_.below(2);
    int x = b.add(dense(width, k_, &where), {0});
    if (one_in(2)) x = b.add(relu(), {x});
    int y = b.add(dense(width, width, nullptr), {x});
    y = b.add(one_in(3) ? activation(width) : relu(), {y});
    if (one_in(2)) y = b.add(dense(width, width, nullptr), {y});
    constexpr double kFactors[] = {1, -1, 0.5, 0.3, 0};
    switch (rng_.below(4)) {
      case 0:
        y = b.add(Concat{}, {x, y, 0});
        break;
      case 1: {
        Select select{{}, vector(width)};
        for (Index i = 0; i < width; ++i) {
          select.index.push_back(rng_.below(width + 1) - 1);
          if (select.index.back() >= 0) select.fill[i] = 0;
        }
        y = b.add(select, {y});
        break;
      }
      case 2:
        y = b.add(Scale{vector(width), vector(width)}, {y});
        y = b.add(Sum{{1, kFactors[rng_.below(5)]}}, {y, x});
        break;
      default:
        y = b.add(Sum{{1, kFactors[rng_.below(5)], 2}}, {x, y, y});
    }
    y = b.add(dense(2, b.size(y), nullptr), {y});
    if (one_in(4)) y = b.add(Sum{{1, -1}}, {y, y});  // all units vanish everywhere
    const int z = b.add(relu(), {y});
    if (one_in(2)) b.add(relu(), {x});  // a branch that the output does not read
    return {"residual", std::move(b).build(z), where};
  }

  Case convolution() {
    k_ = 1 + rng_.below(3);
    const Index channels = 1 + rng_.below(2);
    Window w{channels, 3, 3, 2, 2};
    if (one_in(3)) w.stride_height = w.stride_width = 2;
    if (one_in(3)) w.pad_top = w.pad_right = 1;
    const Domain where = domain(channels * 9);
    NetworkBuilder b(Shape{channels, 3, 3});
    const Index groups = channels == 2 && one_in(2) ? 2 : 1;
    const Index outs = groups * (one_in(3) ? 2 : 1);
    int last = b.add(Convolution{w, groups, matrix(outs, channels / groups * 4), vector(outs)}, {0});
    if (b.size(last) > 9) last = b.add(dense(4, b.size(last), nullptr), {last});
    last = b.add(relu(), {last});
    if (one_in(3)) last = b.add(windows(2, 2, b.size(last)), {last});
    last = b.add(dense(2, b.size(last), nullptr), {last});
    last = b.add(one_in(3) ? activation(2) : relu(), {last});
    return {"convolution", std::move(b).build(last), where};
  }

  Rng rng_;
  bool degenerate_ = false;
  Numbers numbers_ = Numbers::kNormal;
  Index k_ = 1;
  Index budget_ = 0;
};

std::string text(const MatrixRef& m) {
  std::string out;
  for (Index i = 0; i < m.rows(); ++i) {
    std::vector<double> row(m.row(i).begin(), m.row(i).end());
    out += fmt::format("  [{}]\n", fmt::join(row, ", "));
  }
  return out;
}

// What the refinement says, region by region, and whatever is wrong with a region by itself.
struct Found {
  std::set<Pieces> configurations;
  RegionCounts counts;
  std::uint64_t pointless = 0;  // regions without a point of doubles
  std::uint64_t vertices = 0;   // of which the walls were checked in rationals
};

// Every vertex is the one point where its walls meet, and no other unit or side vanishes there.
void check_vertices(const Case& c, const Stages& stages, RegionView& region, const Pieces& pieces, Found& found) {
  const std::vector<std::vector<Form>> z = forms_of_layers(c.network, c.domain, pieces);
  const std::vector<Form> sides = sides_of(c.domain);
  const Matrix vertices = region.vertices();
  const std::vector<std::vector<int>> walls_of = region.walls_of_vertices();
  ASSERT_EQ(walls_of.size(), at(vertices.rows()));
  using Name = std::tuple<int, Index, double>;
  const auto form_of = [&](const Hyperplane& wall) {
    if (wall.stage < 0) return sides[at(wall.row)];
    Form form = z[at(stages[wall.stage].layer)][at(wall.row)];
    form.back() -= wall.threshold;
    return form;
  };
  for (std::size_t v = 0; v < walls_of.size(); ++v) {
    std::vector<Form> forms;
    std::set<Name> named;
    for (const int w : walls_of[v]) {
      const Hyperplane& wall = region.walls()[at(w)];
      forms.push_back(form_of(wall));
      named.insert({wall.stage < 0 ? -1 : stages[wall.stage].layer, wall.row, wall.threshold});
    }
    const std::optional<Point> t = meeting_point(forms);
    ASSERT_TRUE(t) << "vertex " << v << " is not where its walls meet";
    for (Index d = 0; d < vertices.cols(); ++d) {
      EXPECT_NEAR(vertices(static_cast<Index>(v), d), mpq_class((*t)[at(d)]).get_d(), 1e-6);
    }
    std::set<Name> vanishing;
    for (std::size_t r = 0; r < sides.size(); ++r) {
      const mpq_class slack = value_at(sides[r], *t);
      EXPECT_GE(slack, 0) << "a vertex outside the domain";
      if (slack == 0) vanishing.insert({-1, static_cast<Index>(r), 0});
    }
    for (std::size_t l = 0; l < z.size(); ++l) {
      const Stage& stage = stages[stages.of_layer[l]];
      const Piecewise& f = *stage.piecewise();
      for (Index i = 0; i < stage.size; ++i) {
        const mpq_class value = value_at(z[l][at(i)], *t);
        for (Index b = 0; b < f.breaks.cols(); ++b) {
          const double threshold = f.breaks(f.row_of(i), b);
          if (value == threshold) vanishing.insert({static_cast<int>(l), i, threshold});
        }
      }
    }
    // A constraint that merely touches the domain is no wall of it.
    const Name first_constraint{-1, 2 * c.domain.dimension(), 0};
    const Name first_unit{0, 0, -std::numeric_limits<double>::infinity()};
    named.erase(named.lower_bound(first_constraint), named.lower_bound(first_unit));
    vanishing.erase(vanishing.lower_bound(first_constraint), vanishing.lower_bound(first_unit));
    EXPECT_EQ(named, vanishing) << "vertex " << v;
    ++found.vertices;
  }
}

// Least distance between parallel planes around the region, along the normals of its walls: exact vertices, then
// doubles.
double width_of(const std::vector<Form>& walls, const std::vector<Point>& vertices) {
  double width = std::numeric_limits<double>::infinity();
  for (const Form& form : walls) {
    double largest = 0;  // as integers: a form may be of any size
    mpq_class norm;
    for (std::size_t d = 0; d + 1 < form.size(); ++d) norm = std::max(norm, mpq_class(abs(form[d])));
    if (norm == 0) continue;
    for (const Point& t : vertices) largest = std::max(largest, std::abs(mpq_class(value_at(form, t) / norm).get_d()));
    width = std::min(width, largest);
  }
  return width;
}

// A point that is handed out is the region's, exactly; where none is, no point of doubles is near the deepest one.
// Vertices are where their walls meet, to a small part of the region's width or to rounding.
void check_points(const Case& c, const Stages& stages, RegionView& region, const Pieces& pieces, Found& found) {
  const std::vector<std::vector<Form>> z = forms_of_layers(c.network, c.domain, pieces);
  const std::vector<Form> sides = sides_of(c.domain);
  if (const std::optional<Vector> inside = region.interior_point()) {
    const Point t = exact_point(*inside);
    EXPECT_EQ(pieces_at(c.network, c.domain, t), pieces) << "a point of another region";
    for (const Form& side : sides) {
      if (std::any_of(side.begin(), side.end() - 1, [](const mpq_class& x) { return x != 0; })) {
        EXPECT_GT(value_at(side, t), 0) << "a point outside the domain";
      }
    }
  } else {
    ++found.pointless;
  }
  const Matrix vertices = region.vertices();
  if (vertices.rows() == 0) return;
  const auto form_of = [&](const Hyperplane& wall) {
    if (wall.stage < 0) return sides[at(wall.row)];
    const std::vector<Form>& layer = z[at(stages[wall.stage].layer)];
    Form form = layer[at(wall.row)];
    if (wall.other >= 0) {
      for (std::size_t d = 0; d < form.size(); ++d) form[d] -= layer[at(wall.other)][d];
    }
    form.back() -= mpq_class(wall.threshold);
    return form;
  };
  const std::vector<std::vector<int>> walls_of = region.walls_of_vertices();
  std::vector<Point> exact;
  std::set<int> around;
  for (const std::vector<int>& walls : walls_of) {
    std::vector<Form> forms;
    for (const int w : walls) forms.push_back(form_of(region.walls()[at(w)]));
    const std::optional<Point> t = meeting_point(forms);
    ASSERT_TRUE(t) << "a vertex that is not where its walls meet";
    exact.push_back(*t);
    around.insert(walls.begin(), walls.end());
  }
  std::vector<Form> forms;
  for (const int w : around) forms.push_back(form_of(region.walls()[at(w)]));
  const double width = width_of(forms, exact);
  for (std::size_t v = 0; v < exact.size(); ++v) {
    for (Index d = 0; d < vertices.cols(); ++d) {
      const double x = vertices(static_cast<Index>(v), d);
      const double off = std::abs(mpq_class(mpq_class(x) - exact[v][at(d)]).get_d());
      const double ulp = std::nextafter(std::abs(x), 1e300) - std::abs(x);
      EXPECT_LE(off, std::max((c.domain.dimension() <= 2 ? 1e-3 : 1.0 / 16) * width, ulp))
          << "vertex " << v << " of a region of width " << width;
    }
  }
}

Found find(const Case& c, Detail detail, Cells cells = Cells::kByDimension) {
  const Refinement refinement(c.network, c.domain, detail);
  Found found;
  double volume = 0;
  const RegionVisitor visitor = [&](RegionView& region) {
    const Pieces pieces(region.pieces().begin(), region.pieces().end());
    EXPECT_TRUE(found.configurations.insert(pieces).second) << "met twice: " << fmt::format("{}", pieces);
    check_points(c, refinement.stages(), region, pieces, found);
    const ParameterMap map = region.map();
    const std::vector<Form> y = forms_of_nodes(c.network, c.domain, pieces)[at(c.network.output())];
    EXPECT_EQ(map.constant.size(), static_cast<Index>(y.size()));
    double largest = 1;
    for (const Form& form : y) {
      for (const mpq_class& x : form) largest = std::max(largest, std::abs(x.get_d()));
    }
    for (Index i = 0; i < map.constant.size(); ++i) {
      for (Index d = 0; d < map.matrix.cols(); ++d) {
        EXPECT_NEAR(map.matrix(i, d), y[at(i)][at(d)].get_d(), 1e-12 * largest);
      }
      EXPECT_NEAR(map.constant[i], y[at(i)].back().get_d(), 1e-12 * largest);
    }
    if (detail == Detail::kIncidence) {
      volume += volume_of(region.vertices(), region.walls_of_vertices());
      if (c.domain.dimension() <= 3 || found.vertices < 100) {
        check_vertices(c, refinement.stages(), region, pieces, found);
      }
    }
    return !testing::Test::HasFailure();
  };
  found.counts = Worker(refinement, cells).run({}, ~std::uint64_t{0}, visitor).counts;
  if (detail == Detail::kIncidence && c.domain.constraints.size() == 0) {
    const double whole = (c.domain.box.upper - c.domain.box.lower).prod();
    EXPECT_NEAR(volume, whole, 1e-9 * whole);
  }
  return found;
}

std::vector<std::uint64_t> active_of(const Partition& partition, std::size_t units) {
  std::vector<std::uint64_t> active(units + 1, 0);
  for (const Pieces& pieces : partition.configurations) {
    ++active[at(std::ranges::count_if(pieces, [](std::uint16_t p) { return p > 0; }))];
  }
  return active;
}

}  // namespace

Case random_case(Rng rng) {
  Case c = Maker(rng).make();
  c.name += fmt::format(", k = {}", c.domain.dimension());
  return c;
}

std::string describe(const Case& c) {
  std::string out =
      fmt::format("{}\nbox\n{}{}origin\n{}axes\n{}", c.name, text(c.domain.box.lower.transpose()),
                  text(c.domain.box.upper.transpose()), text(c.domain.origin.transpose()), text(c.domain.axes));
  if (c.domain.constraints.size() > 0) {
    out += fmt::format("constraints\n{}{}", text(c.domain.constraints.normals),
                       text(c.domain.constraints.offsets.transpose()));
  }
  for (std::size_t n = 0; n < c.network.nodes().size(); ++n) {
    const Node& node = c.network.nodes()[n];
    out += fmt::format("node {} {} of {}\n", n, name_of(*node.op), node.inputs);
    if (const auto* dense = std::get_if<Dense>(node.op.get()))
      out += text(dense->weight) + text(dense->bias.transpose());
    if (const auto* f = std::get_if<Piecewise>(node.op.get()))
      out += text(f->breaks) + text(f->slopes) + text(f->offsets);
    if (const auto* m = std::get_if<Maximum>(node.op.get())) out += fmt::format("  {}: {}\n", m->width, m->index);
  }
  return out;
}

// UNRECT_ORACLE_CASES sets the number of networks.
TEST(PartitionOracle, ConfigurationsOfRandomNetworks) {
  const char* wanted = std::getenv("UNRECT_ORACLE_CASES");
  const Index cases = wanted != nullptr ? std::atol(wanted) : 1500;
  std::map<std::string, std::uint64_t> count;
  const Rng root(20240611);
  for (Index i = 0; i < cases && !HasFailure(); ++i) {
    const Case c = random_case(root.split(at(i)));
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    const Partition truth = partition_of(c.network, c.domain);
    ++count[c.name.substr(0, c.name.find_first_of(" ,"))];
    const bool maxima = std::ranges::any_of(
        c.network.layers(), [&](int n) { return std::holds_alternative<Maximum>(*c.network.node(n).op); });
    for (const Detail detail : {Detail::kRegions, Detail::kIncidence}) {
      if (maxima && detail == Detail::kIncidence) continue;
      const Found found = find(c, detail);
      EXPECT_EQ(found.configurations, truth.configurations);
      EXPECT_EQ(found.counts.regions, truth.configurations.size());
      EXPECT_EQ(found.counts.per_layer, truth.per_layer);
      EXPECT_EQ(found.counts.active, active_of(truth, at(c.network.units())));
      if (HasFailure()) ADD_FAILURE() << describe(c);
      count["regions"] += found.counts.regions;
      count["exact decisions"] += found.counts.exact_decisions;
      count["without a point"] += found.pointless;
      count["vertices"] += found.vertices;
    }
    count["programs"] += truth.programs;
  }
  std::string summary = fmt::format("{} networks", cases);
  for (const auto& [what, times] : count) summary += fmt::format(", {} {}", times, what);
  fmt::print("{}\n", summary);
  RecordProperty("summary", summary);
}

// Whatever tenths the weights are, every kind of cell finds the regions of the oracle, and points that are theirs. A
// counterexample is shrunk to the smallest network.
RC_GTEST_PROP(PartitionOracle, RegionsAndPointsOfNetworksOfTenths, ()) {
  const auto k = static_cast<Index>(*rc::gen::inRange(1, 3));
  const auto first = static_cast<Index>(*rc::gen::inRange(1, 4));
  const auto second = static_cast<Index>(*rc::gen::inRange(1, 4));
  const auto tenths = [](Index rows, Index cols) {
    return Matrix(Matrix::NullaryExpr(rows, cols, [] { return *rc::gen::inRange(-12, 13) / 10.0; }));
  };
  const Case c{"tenths",
               Network::chain({tenths(first, k), tenths(second, first), Matrix::Ones(1, second)},
                              {Vector(tenths(first, 1)), Vector(tenths(second, 1)), Vector::Zero(1)}),
               Domain(Box(Vector::Constant(k, -1), Vector::Ones(k)))};
  const Partition truth = partition_of(c.network, c.domain);
  for (const Cells cells : {Cells::kByDimension, Cells::kVertices, Cells::kHalfspaces}) {
    std::set<Pieces> found;
    const Refinement refinement(c.network, c.domain);
    Worker(refinement, cells).run({}, ~std::uint64_t{0}, [&](RegionView& region) {
      const Pieces pieces(region.pieces().begin(), region.pieces().end());
      RC_ASSERT(found.insert(pieces).second);
      const std::optional<Vector> inside = region.interior_point();
      if (inside) RC_ASSERT(pieces_at(c.network, c.domain, exact_point(*inside)) == pieces);
      return true;
    });
    RC_ASSERT(found == truth.configurations);
  }
}

// Every kind of cell on sums that cancel: where doubles say nothing, counts, points and vertices are right all the
// same.
TEST(PartitionOracle, ConfigurationsOfCancellingNetworks) {
  const char* wanted = std::getenv("UNRECT_ORACLE_CASES");
  const Index cases = wanted != nullptr ? std::atol(wanted) : 300;
  std::map<std::string, std::uint64_t> count;
  const Rng root(7);
  for (Index i = 0; i < cases && !HasFailure(); ++i) {
    const Case c = cancelling_case(root.split(at(i)));
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    const Partition truth = partition_of(c.network, c.domain);
    struct Kind {
      Detail detail;
      Cells cells;
    };
    for (const auto [detail, cells] : {Kind{Detail::kRegions, Cells::kByDimension},
                                       {Detail::kIncidence, Cells::kByDimension},
                                       {Detail::kRegions, Cells::kHalfspaces}}) {
      const Found found = find(c, detail, cells);
      EXPECT_EQ(found.configurations, truth.configurations);
      EXPECT_EQ(found.counts.regions, truth.configurations.size());
      EXPECT_EQ(found.counts.per_layer, truth.per_layer);
      if (HasFailure()) ADD_FAILURE() << describe(c);
      count["regions"] += found.counts.regions;
      count["exact decisions"] += found.counts.exact_decisions;
      count["without a point"] += found.pointless;
    }
  }
  std::string summary = fmt::format("{} networks", cases);
  for (const auto& [what, times] : count) summary += fmt::format(", {} {}", times, what);
  fmt::print("{}\n", summary);
  RecordProperty("summary", summary);
  EXPECT_GT(count["exact decisions"], count["regions"]);
}

// Powers of two change no sign, however far they lead: where squares of weights vanish, and where they overflow.
TEST(PartitionOracle, ScalesChangeNothing) {
  const Rng root(4);
  for (Index i = 0; i < 250 && !HasFailure(); ++i) {
    const Case c = random_case(root.split(at(i)));
    if (!c.name.starts_with("chain") || c.network.layers().size() < 2) continue;
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    const Partition truth = partition_of(c.network, c.domain);
    for (const int exponent : {-540, -200, 200, 540}) {
      std::vector<Matrix> weights;
      std::vector<Vector> biases;
      for (const Node& node : c.network.nodes()) {
        const auto* dense = std::get_if<Dense>(node.op.get());
        if (dense == nullptr) continue;
        // The first layer's values are scaled, the later ones' are not.
        weights.push_back(dense->weight * std::ldexp(1.0, weights.empty()       ? exponent
                                                          : weights.size() == 1 ? -exponent
                                                                                : 0));
        biases.push_back(dense->bias * std::ldexp(1.0, biases.empty() ? exponent : 0));
      }
      std::set<Pieces> found;
      visit_regions(Refinement(Network::chain(weights, biases), c.domain), [&](RegionView& region) {
        return found.emplace(region.pieces().begin(), region.pieces().end()).second;
      });
      EXPECT_EQ(found, truth.configurations) << "scaled by 2^" << exponent;
    }
  }
}

}  // namespace unrect::oracle
