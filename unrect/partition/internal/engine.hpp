// The recursion itself, written once over the kinds of cell.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/internal/filter.hpp"
#include "unrect/forms/internal/forms.hpp"
#include "unrect/partition/internal/arena.hpp"
#include "unrect/partition/internal/cell_faces.hpp"
#include "unrect/partition/internal/halfspace_cell.hpp"
#include "unrect/partition/internal/polygon_cell.hpp"
#include "unrect/partition/internal/vertex_cell.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

struct Refinement::Prepared {
  Network network;
  Domain domain;
  Stages stages;
  std::vector<StageFilter> filters;
  std::vector<Forms> biases;  // of each stage: the sum, as forms without slope
  bool incidence = false;
  int layers = 0;  // that are refined by

  int last_stage() const { return layers == 0 ? 0 : stages.of_layer[static_cast<std::size_t>(layers) - 1]; }
};

class Worker::Implementation {
 public:
  virtual ~Implementation() = default;
  virtual WorkResult run(const WorkUnit& unit, std::uint64_t budget, const RegionVisitor& visitor,
                         const std::function<bool()>& keep_going) = 0;
};

/// Depth first; memory O(depth). Notation: z_s are stage s's pre-activations as forms over t on the current cell.
template <class Geometry>
class Engine final : public Worker::Implementation, public RegionView {
  using Cell = typename Geometry::Cell;

 public:
  explicit Engine(const Refinement::Prepared& prepared)
      : p_(prepared),
        k_(prepared.domain.dimension()),
        last_(prepared.last_stage()),
        geometry_(k_),
        exact_(prepared.stages, prepared.domain),
        at_(static_cast<std::size_t>(prepared.stages.size())),
        pieces_(static_cast<std::size_t>(prepared.stages.units()), 0) {
    Index widest = 0;
    for (int s = 0; s < p_.stages.size(); ++s) {
      const Stage& stage = p_.stages[s];
      StageState& state = at_[static_cast<std::size_t>(s)];
      state.forms = Forms(k_, stage.size);
      state.base = state.forms;
      state.products.resize(stage.links.size());
      state.plain = stage.layer < 0 || (stage.piecewise() != nullptr && stage.piecewise()->is_relu());
      if (!state.plain) state.activated = Forms(k_, stage.units());
      widest = std::max(widest, state.forms.stride());
    }
    above_.resize(static_cast<std::size_t>(widest) / 64 + 1);
    decided_.resize(above_.size());
    low_.resize(widest);
    high_.resize(widest);
    start();
  }

  WorkResult run(const WorkUnit& unit, std::uint64_t budget, const RegionVisitor& visitor,
                 const std::function<bool()>& keep_going) override {
    keep_going_ = keep_going ? &keep_going : nullptr;
    unit_ = &unit;
    budget_ = budget;
    visitor_ = visitor ? &visitor : nullptr;
    result_ = {};
    result_.counts.per_layer.assign(static_cast<std::size_t>(p_.layers), 0);
    result_.counts.active.assign(static_cast<std::size_t>(p_.stages.units()) + 1, 0);
    stop_ = false;
    const std::uint64_t asked = exact_.asked();
    path_.clear();
    drop_walls(domain_walls_);
    // What this unit does depends on nothing done before it: cells are written to (polished, touched, witnesses added).
    arena_.release(root_);
    next_form_ = first_form_;
    if constexpr (!Geometry::kVertices) geometry_.forget();
    enter(first_, geometry_.copy_of(arena_, domain_));
    result_.counts.exact_decisions = exact_.asked() - asked;
    return std::move(result_);
  }

  std::span<const std::uint16_t> pieces() const override { return pieces_; }
  std::optional<Vector> interior_point() override {
    if constexpr (Geometry::kVertices) {
      // A point of doubles needs no vertices that are exact: the walls' forms say whether it is inside.
      if (region_->largest_delta <= most_off(*region_) || clearance(*region_) > 0) return mean_of_vertices(*region_);
      if (sharpen()) return mean_of_vertices(*region_);
      find_sides(*region_);
      return exact_.point_inside(sides_, pieces_);
    } else {
      if (std::optional<Vector> point = geometry_.interior_point(*region_)) return point;
      to_sides(region_->sides);
      Vector guess = geometry_.guess_inside(*region_);
      if (exact_.is_inside(guess, sides_, pieces_)) return guess;
      if (k_ > kMostExactDimensions) return {};
      return exact_.point_inside(sides_, pieces_);
    }
  }
  Matrix vertices() override {
    if constexpr (Geometry::kVertices) {
      sharpen();
      Matrix out(region_->count, k_);
      for (Index d = 0; d < k_; ++d) {
        for (Index v = 0; v < region_->count; ++v) out(v, d) = region_->coordinates[d * region_->stride + v];
      }
      return out;
    }
    return Matrix(0, k_);
  }
  std::vector<std::vector<int>> walls_of_vertices() const override {
    std::vector<std::vector<int>> out;
    if constexpr (Geometry::kVertices) {
      out.resize(static_cast<std::size_t>(region_->count));
      for (Index v = 0; v < region_->count; ++v) geometry_.walls_at(*region_, v, out[static_cast<std::size_t>(v)]);
    }
    return out;
  }
  std::vector<int> facets() override {
    if constexpr (Geometry::kVertices) {
      std::vector<int> out;
      for (const CellFace& facet : facets_of(walls_of_vertices(), k_)) {
        out.insert(out.end(), facet.walls.begin(), facet.walls.end());
      }
      std::ranges::sort(out);
      return out;
    } else {
      return geometry_.facets(*region_, judge_);
    }
  }
  std::span<const Hyperplane> walls() const override { return walls_; }
  ParameterMap map() override {
    UNRECT_REQUIRE(last_ == p_.stages.last_layer_stage(), ErrorCode::kInvalidArgument,
                   "map of a region: the partition is by the first {} layers only", p_.layers);
    if (last_ > 0) close(last_);
    for (int s = last_ + 1; s < p_.stages.size(); ++s) {
      gather(s);
      at_[static_cast<std::size_t>(s)].forms = at_[static_cast<std::size_t>(s)].base;
      make_all_active(s);
    }
    const Forms& y = at_.back().forms;
    ParameterMap map{Matrix(p_.stages.stages.back().size, k_), Vector(p_.stages.stages.back().size)};
    for (Index i = 0; i < map.constant.size(); ++i) {
      for (Index d = 0; d < k_; ++d) map.matrix(i, d) = y.row(d)[i];
      map.constant[i] = y.row(k_)[i];
    }
    return map;
  }
  Matrix forms(int stage) const override {
    const Forms& z = at_[static_cast<std::size_t>(stage)].forms;
    Matrix out(z.size(), k_ + 1);
    for (Index d = 0; d <= k_; ++d) {
      for (Index i = 0; i < z.size(); ++i) out(i, d) = z.row(d)[i];
    }
    return out;
  }

  Vector form_of(const Hyperplane& wall) const override {
    Vector out(k_ + 1);
    wall_form(wall, out.data());
    return out;
  }

 private:
  // A region that is not so many times wider than its vertices' displacement is one whose vertices are made exact; with
  // incidence so is any region where they are displaced by more than kSharp, relative to the domain. Beyond two
  // dimensions bounds of displacements are far above the displacements, and putting all vertices right would be dear.
  static constexpr double kRoom = 1024;
  static constexpr double kRoomBeyond = 16;
  static constexpr double kSharp = 1e-6;
  // A rational program of more dimensions is not solved for a point inside a sliver.
  static constexpr Index kMostExactDimensions = 32;
  static constexpr int kOldest = 64;  // generations beyond it are all alike
  // Vertices displaced by more, relative to the domain, are polished before a stage is looked at.
  static constexpr double kDrift = 1e-8;

  // A hyperplane that the current cell may straddle: unit's break, from its lowest one up.
  struct Item {
    Index unit = 0;
    Index break_index = 0;
    std::uint16_t base = 0;  // the unit's piece below this break if `first`
    bool first = true;       // of the unit's items
  };

  struct StageState {
    Forms forms;      // z
    Forms base;       // z of this stage without what the straddling units of the stage before will add
    Forms activated;  // a, where it is not z's own column
    bool plain = true;
    std::vector<LastProduct> products;  // of each link
    std::vector<Index> active;          // columns of a that are not zero: decided ones first
    std::size_t decided = 0;            // that many of them
    std::vector<Item> items;
    std::vector<Index> windows;       // straddling units of a maximum
    std::uint64_t active_units = 0;   // decided units on a piece above the lowest
    std::uint64_t active_before = 0;  // … and all such units of the stages before
    std::uint64_t first_form = 0;     // forms of this stage on this cell are numbered from here
  };

  StageState& state(int s) { return at_[static_cast<std::size_t>(s)]; }
  const Forms& source(int s) const {
    const StageState& st = at_[static_cast<std::size_t>(s)];
    return st.plain ? st.forms : st.activated;
  }
  std::uint16_t& piece(const Stage& stage, Index unit) {
    return pieces_[static_cast<std::size_t>(p_.stages.first_unit[static_cast<std::size_t>(stage.layer)] + unit)];
  }

  // The domain as a cell, and the forms of the first stage with breaks.
  void start() {
    domain_ = geometry_.box(arena_, p_.domain.box.lower.data(), p_.domain.box.upper.data());
    for (Index d = 0; d < 2 * k_; ++d) walls_.push_back({-1, d, -1, 0, 0, 0});
    reach_ = p_.domain.box.lower.cwiseAbs().cwiseMax(p_.domain.box.upper.cwiseAbs());
    reach_sum_ = 1 + reach_.sum();
    point_.resize(static_cast<std::size_t>(k_));
    residual_.resize(static_cast<std::size_t>(k_));
    for (Index r = 0; r < p_.domain.constraints.size(); ++r) {
      const Hyperplane wall{-1, 2 * k_ + r, -1, 0, 0, 0};
      const Vector normal = p_.domain.constraints.normals.row(r);
      Vector form(k_ + 1);
      form << normal, -p_.domain.constraints.offsets[r];
      const double size = normal.cwiseAbs().dot(reach_) + std::abs(form[k_]);
      const double error = 2 * static_cast<double>(k_ + 3) * std::numeric_limits<double>::epsilon() * size;
      wall_ = wall;
      const Signs signs = evaluate(domain_, form.data(), {error, 1.01 * normal.cwiseAbs().sum()}, next_form_++);
      if (signs.above && !signs.below) {
        empty_ = true;
        break;
      }
      if (signs.above) {
        Cell kept;
        Cell dropped;
        split(domain_, kept, dropped);
        domain_ = kept;
      }
      walls_.push_back(wall);
    }
    domain_walls_ = walls_.size();
    root_ = arena_.mark();
    first_form_ = next_form_;
    Forms& input = state(0).forms;
    for (Index i = 0; i < input.size(); ++i) {
      for (Index d = 0; d < k_; ++d) input.row(d)[i] = p_.domain.axes(i, d);
      input.row(k_)[i] = p_.domain.origin[i];
    }
    make_all_active(0);
    first_ = 1;
    gather(1);
    state(1).forms = state(1).base;
  }

  void make_all_active(int s) {
    StageState& st = state(s);
    st.active.resize(static_cast<std::size_t>(st.forms.size()));
    for (std::size_t i = 0; i < st.active.size(); ++i) st.active[i] = static_cast<Index>(i);
    st.decided = st.active.size();
  }

  // base of stage t: its biases and all that is active so far in the stages it reads.
  void gather(int t) {
    StageState& st = state(t);
    const Forms* from = &p_.biases[static_cast<std::size_t>(t)];
    const std::vector<Link>& links = p_.stages[t].links;
    for (std::size_t l = 0; l < links.size(); ++l) {
      const int s = links[l].source;
      add_columns(links[l], state(s).active, source(s), *from, st.base, st.products[l]);
      from = &st.base;
    }
    if (from != &st.base) st.base = *from;
  }

  // forms of stage t = base + what the straddling units of stage t − 1 add on this leaf.
  void complete(int t) {
    StageState& st = state(t);
    const StageState& before = state(t - 1);
    const std::span<const Index> late(before.active.data() + before.decided, before.active.size() - before.decided);
    const Forms* from = &st.base;
    const std::vector<Link>& links = p_.stages[t].links;
    for (std::size_t l = 0; l < links.size(); ++l) {
      if (links[l].source != t - 1 || late.empty()) continue;
      add_columns(links[l], late, source(t - 1), *from, st.forms, st.products[l]);
      from = &st.forms;
    }
    if (from != &st.forms) st.forms = *from;
  }

  // Stage s's forms are known over the cell: decide every unit that does not straddle, then split by the others.
  void enter(int s, Cell cell) {
    if (empty_) return;
    const std::size_t walls = walls_.size();
    const Stage& stage = p_.stages[s];
    StageState& st = state(s);
    if constexpr (!Geometry::kVertices) {
      if (geometry_.wants_facets()) cell = geometry_.pruned(arena_, cell, judge_);
    }
    if (stage.layer < 0) {
      if (s > last_) return emit(cell);  // a network without a layer
      make_all_active(s);
      gather(s + 1);
      complete(s + 1);
      state(s + 1).active_before = st.active_before;
      return enter(s + 1, cell);
    }
    st.active.clear();
    st.items.clear();
    st.windows.clear();
    st.active_units = 0;
    st.first_form = next_form_;
    next_form_ += static_cast<std::uint64_t>(
        stage.size * (stage.maximum() != nullptr ? stage.size : stage.piecewise()->breaks.cols()));
    if (stage.maximum() != nullptr) {
      classify_windows(s, cell);
    } else {
      classify(s, cell);
    }
    st.decided = st.active.size();
    if (s < last_) gather(s + 1);
    if (stage.maximum() != nullptr) {
      compete(s, cell, 0);
    } else {
      subdivide(s, cell, 0);
    }
    drop_walls(walls);
  }

  void classify(int s, Cell& cell) {
    const Stage& stage = p_.stages[s];
    StageState& st = state(s);
    const StageFilter& filter = p_.filters[static_cast<std::size_t>(s)];
    const Piecewise& f = *stage.piecewise();
    std::uint16_t* pieces = &piece(stage, 0);
    const double* error = filter.error.data();
    const double* gradient_error = filter.gradient_error.data();
    const double delta = range_or_sides(s, cell);
    if (st.plain) {
      std::fill_n(pieces, stage.size, std::uint16_t{0});
      for (Index first = 0; first < stage.size; first += 64) {
        const auto word = static_cast<std::size_t>(first / 64);
        const std::size_t known = st.active.size();
        st.active.resize(known + static_cast<std::size_t>(std::popcount(above_[word])));
        Index* next = st.active.data() + known;
        for (std::uint64_t bits = above_[word]; bits != 0; bits &= bits - 1) {
          const Index i = first + std::countr_zero(bits);
          pieces[i] = 1;
          *next++ = i;
        }
        const std::uint64_t mask =
            stage.size - first < 64 ? (std::uint64_t{1} << (stage.size - first)) - 1 : ~std::uint64_t{0};
        for (std::uint64_t bits = ~decided_[word] & mask; bits != 0; bits &= bits - 1) {
          const Index i = first + std::countr_zero(bits);
          breathe();
          const Signs signs = evaluate_unit(s, cell, i, 0);
          if (signs.above && signs.below) {
            st.items.push_back({i, 0, 0, true});
            continue;
          }
          touch(cell, signs);
          if (signs.above) {
            pieces[i] = 1;
            st.active.push_back(i);
          }
        }
      }
      st.active_units = st.active.size();
      return;
    }
    const double* low = low_.data();
    const double* high = high_.data();
    for (Index i = 0; i < stage.size; ++i) {
      const Index row = f.row_of(i);
      std::uint16_t p = 0;
      bool straddles = false;
      for (Index b = 0; b < f.breaks.cols(); ++b) {
        const double at = f.breaks(row, b);
        const double doubt = error[i] + (gradient_of(st.forms, i) + gradient_error[i]) * delta +
                             2 * std::numeric_limits<double>::epsilon() * std::abs(at);
        if (low[i] - at > doubt) {
          p = static_cast<std::uint16_t>(b + 1);
        } else if (!(high[i] - at < -doubt)) {
          const Signs signs = evaluate_unit(s, cell, i, b);
          if (signs.above && signs.below) {
            st.items.push_back({i, b, p, !straddles});
            straddles = true;
            continue;
          }
          touch(cell, signs);
          if (signs.above) p = static_cast<std::uint16_t>(b + 1);
        }
      }
      pieces[i] = p;
      if (!straddles) activate(s, i);
      if (!straddles && p > 0) ++st.active_units;
    }
  }

  // What is known of all the stage's forms at a glance: sides, into above_ and decided_, for a ReLU, else bounds, into
  // low_ and high_, as good as the vertices' displacement, which is returned.
  double range_or_sides(int s, const Cell& cell) {
    const StageState& st = state(s);
    const StageFilter& filter = p_.filters[static_cast<std::size_t>(s)];
    if constexpr (Geometry::kVertices) {
      const double delta = put_right(cell);
      const PointRows points{cell.coordinates, cell.stride, cell.count};
      if (st.plain) {
        sides_over(st.forms, points, filter.error.data(), filter.gradient_error.data(), delta, above_.data(),
                   decided_.data());
      } else {
        range_over(st.forms, points, low_.data(), high_.data());
      }
      return delta;
    } else {
      geometry_.bounds(st.forms, low_.data(), high_.data());
      std::ranges::fill(above_, 0);
      std::ranges::fill(decided_, 0);
      for (Index i = 0; i < st.forms.size(); ++i) {
        const std::uint64_t bit = std::uint64_t{1} << (i % 64);
        if (low_[i] > filter.error[i]) above_[static_cast<std::size_t>(i / 64)] |= bit;
        if (low_[i] > filter.error[i] || high_[i] < -filter.error[i]) decided_[static_cast<std::size_t>(i / 64)] |= bit;
      }
      return 0;
    }
  }

  double gradient_of(const Forms& z, Index i) const {
    double sum = 0;
    for (Index d = 0; d < k_; ++d) sum += std::abs(z.row(d)[i]);
    return sum;
  }

  // Appends unit i to the active columns, with its form on the piece it is on.
  void activate(int s, Index i) {
    const Stage& stage = p_.stages[s];
    StageState& st = state(s);
    const std::uint16_t p = piece(stage, i);
    if (st.plain) {
      if (p > 0) st.active.push_back(i);
      return;
    }
    if (const Maximum* m = stage.maximum()) {
      const Index from = m->index[static_cast<std::size_t>(i * m->width + p)];
      for (Index d = 0; d <= k_; ++d) st.activated.row(d)[i] = st.forms.row(d)[from];
      st.active.push_back(i);
      return;
    }
    const Piecewise& f = *stage.piecewise();
    const double slope = f.slopes(f.row_of(i), p);
    const double offset = f.offsets(f.row_of(i), p);
    if (slope == 0 && offset == 0) return;
    for (Index d = 0; d <= k_; ++d) st.activated.row(d)[i] = slope * st.forms.row(d)[i];
    st.activated.row(k_)[i] += offset;
    st.active.push_back(i);
  }

  struct Signs {
    bool below = false, above = false, on = false;
  };

  // On which sides of wall_, where the form vanishes, the cell lies.
  Signs evaluate(const Cell& cell, const double* form, const Doubt& doubt, std::uint64_t id) {
    if constexpr (Geometry::kVertices) {
      return signs_at_vertices(cell, form, doubt);
    } else {
      const auto reach = geometry_.reach(cell, {form, doubt.error, id}, judge_);
      return {reach.below, reach.above};
    }
  }

  // The cells on either side of what was evaluated last.
  void split(const Cell& cell, Cell& negative, Cell& positive) {
    const int wall = static_cast<int>(walls_.size());
    if constexpr (Geometry::kVertices) {
      geometry_.split(arena_, cell, sign_.data(), value_.data(), doubt_, wall, negative, positive);
    } else {
      geometry_.split(arena_, cell, wall, negative, positive);
    }
  }

  // Whether a form is positive (negative: sign −1) somewhere on the domain's box with these sides of walls.
  bool judge(int wall, int sign, std::span<const HalfspaceCell::Side> sides) {
    to_sides(sides);
    const Hyperplane& form = wall == HalfspaceGeometry::kAsked ? wall_ : walls_[static_cast<std::size_t>(wall)];
    return exact_.positive_over(form, sign, sides_, pieces_);
  }

  void to_sides(std::span<const HalfspaceCell::Side> sides) {
    sides_.clear();
    for (const HalfspaceCell::Side& side : sides)
      sides_.push_back({walls_[static_cast<std::size_t>(side.wall)], side.sign});
  }

  // The walls around a cell of vertices and its side of each, into sides_.
  void find_sides(const Cell& cell) {
    geometry_.walls_around(cell, walls_at_);
    sides_.clear();
    for (const int w : walls_at_) {
      const Hyperplane& wall = walls_[static_cast<std::size_t>(w)];
      sides_.push_back({wall, side_of(wall)});
    }
  }

  // The side of a wall on which the region lies, by its pieces.
  int side_of(const Hyperplane& wall) const {
    if (wall.stage < 0) return wall.row < 2 * k_ && wall.row % 2 == 0 ? 1 : -1;
    if (wall.other >= 0) return 1;  // the slot that wins
    const Index first = p_.stages.first_unit[static_cast<std::size_t>(p_.stages[wall.stage].layer)];
    return pieces_[static_cast<std::size_t>(first + wall.unit)] > wall.piece ? 1 : -1;
  }

  // The sign of a form at each vertex of the cell, into sign_ and value_.
  Signs signs_at_vertices(const Cell& cell, const double* form, const Doubt& doubt) {
    if (value_.size() < static_cast<std::size_t>(cell.stride)) {
      value_.resize(static_cast<std::size_t>(cell.stride));
      sign_.resize(static_cast<std::size_t>(cell.stride));
    }
    double* value = value_.data();
    std::fill_n(value, cell.stride, form[k_]);
    for (Index d = 0; d < k_; ++d) {
      const double c = form[d];
      const double* x = cell.coordinates + d * cell.stride;
      for (Index v = 0; v < cell.stride; ++v) value[v] += c * x[v];
    }
    Signs signs;
    doubt_ = doubt;
    const double threshold = doubt.at(cell.largest_delta);
    for (Index v = 0; v < cell.count; ++v) {
      signed char sign = value[v] > 0 ? 1 : -1;
      if (!(std::abs(value[v]) > threshold) && !(std::abs(value[v]) > doubt.at(cell.delta[v]))) {
        sign = settle(cell, v, form, doubt);
      }
      sign_[static_cast<std::size_t>(v)] = sign;
      signs.below |= sign < 0;
      signs.above |= sign > 0;
      signs.on |= sign == 0;
    }
    return signs;
  }

  // The sign where the first look left it open: with the vertex put right, then in rationals.
  signed char settle(const Cell& cell, Index v, const double* form, const Doubt& doubt) {
    if (cell.polished[v] == 0 && polish(cell, v)) {
      double value = form[k_];
      for (Index d = 0; d < k_; ++d) value += form[d] * cell.coordinates[d * cell.stride + v];
      value_[static_cast<std::size_t>(v)] = value;
      if (std::abs(value) > doubt.at(cell.delta[v])) return value > 0 ? 1 : -1;
    }
    return exact_sign(cell, v);
  }

  // Interpolation adds to a vertex's displacement at every cut. Solving for the point where its walls meet takes that
  // away: x̂ is off by at most ‖X‖ (|residual| + error of the forms) / (1 − ‖I − X A‖), X ≈ A⁻¹. False if the vertex
  // was not improved.
  bool polish(const Cell& cell, Index v) {
    cell.polished[v] = 1;
    geometry_.walls_at(cell, v, walls_at_);
    const Index m = static_cast<Index>(walls_at_.size());
    const Index width = k_ + 1;
    system_.resize(static_cast<std::size_t>(m * width));
    slack_.resize(static_cast<std::size_t>(m));
    gradient_.resize(static_cast<std::size_t>(m));
    for (Index i = 0; i < m; ++i) {
      const Doubt doubt = wall_form(walls_[static_cast<std::size_t>(walls_at_[static_cast<std::size_t>(i)])],
                                    system_.data() + i * width);
      slack_[static_cast<std::size_t>(i)] = doubt.error;
      gradient_[static_cast<std::size_t>(i)] = doubt.gradient;
    }
    inverse_.resize(static_cast<std::size_t>(k_ * k_));
    if (!choose_and_invert(m)) return false;
    // Two steps of t ← t − X f(t), then the residuals f(t) of what is kept.
    for (Index d = 0; d < k_; ++d) point_[static_cast<std::size_t>(d)] = cell.coordinates[d * cell.stride + v];
    for (int step = 0;; ++step) {
      for (Index i = 0; i < k_; ++i) {
        double f = system_[static_cast<std::size_t>(i * width + k_)];
        for (Index d = 0; d < k_; ++d)
          f += system_[static_cast<std::size_t>(i * width + d)] * point_[static_cast<std::size_t>(d)];
        residual_[static_cast<std::size_t>(i)] = f;
      }
      if (step == 2) break;
      for (Index d = 0; d < k_; ++d) {
        for (Index i = 0; i < k_; ++i)
          point_[static_cast<std::size_t>(d)] -=
              inverse_[static_cast<std::size_t>(d * k_ + i)] * residual_[static_cast<std::size_t>(i)];
      }
    }
    constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
    double norm = 0;    // ‖X‖
    double size = 0;    // ‖A‖
    double defect = 0;  // ‖I − X A‖
    double wrong = 0;
    for (Index d = 0; d < k_; ++d) {
      double row = 0;
      double row_size = 0;
      double row_defect = 0;
      double row_wrong = 0;
      for (Index i = 0; i < k_; ++i) {
        const double x = inverse_[static_cast<std::size_t>(d * k_ + i)];
        row += std::abs(x);
        row_size += std::abs(system_[static_cast<std::size_t>(d * width + i)]);
        row_wrong +=
            std::abs(x) * (std::abs(residual_[static_cast<std::size_t>(i)]) + slack_[static_cast<std::size_t>(i)]);
        double product = d == i ? -1.0 : 0.0;
        for (Index e = 0; e < k_; ++e)
          product += inverse_[static_cast<std::size_t>(d * k_ + e)] * system_[static_cast<std::size_t>(e * width + i)];
        row_defect += std::abs(product) + std::abs(x) * gradient_[static_cast<std::size_t>(i)];
      }
      norm = std::max(norm, row);
      size = std::max(size, row_size);
      defect = std::max(defect, row_defect);
      wrong = std::max(wrong, row_wrong);
    }
    defect += norm * static_cast<double>(k_ + 2) * kEpsilon * size;
    if (!(defect < 0.5)) return false;
    const double delta = 1.01 * wrong / (1 - defect);
    if (!(delta < cell.delta[v])) return false;
    for (Index d = 0; d < k_; ++d) cell.coordinates[d * cell.stride + v] = point_[static_cast<std::size_t>(d)];
    cell.delta[v] = delta;
    if (v == 0) geometry_.pad(cell);
    return true;
  }

  // Moves k independent ones of m walls to the top of the system, and inverts their normals: Gauss–Jordan elimination
  // with the largest relative pivot.
  bool choose_and_invert(Index m) {
    const Index width = k_ + 1;
    work_.assign(static_cast<std::size_t>(m * 2 * k_), 0.0);
    for (Index i = 0; i < m; ++i) {
      double largest = std::numeric_limits<double>::min();
      for (Index d = 0; d < k_; ++d)
        largest = std::max(largest, std::abs(system_[static_cast<std::size_t>(i * width + d)]));
      for (Index d = 0; d < width; ++d) system_[static_cast<std::size_t>(i * width + d)] /= largest;
      gradient_[static_cast<std::size_t>(i)] /= largest;
      slack_[static_cast<std::size_t>(i)] =
          slack_[static_cast<std::size_t>(i)] / largest + 4 * std::numeric_limits<double>::epsilon() * reach_sum_;
      std::copy_n(system_.data() + i * width, k_, work_.data() + i * 2 * k_);
    }
    const auto at = [&](Index i, Index d) -> double& { return work_[static_cast<std::size_t>(i * 2 * k_ + d)]; };
    columns_.clear();
    for (Index step = 0; step < k_; ++step) {
      Index row = step;
      Index column = 0;
      double best = 0;
      // As many walls as dimensions: every column will be needed, so any order of them serves.
      const Index from = m == k_ ? step : 0;
      const Index to = m == k_ ? step + 1 : k_;
      for (Index i = step; i < m; ++i) {
        for (Index d = from; d < to; ++d) {
          if (std::abs(at(i, d)) > best) best = std::abs(at(row = i, column = d));
        }
      }
      if (best < 1e-9) return false;
      if (row != step) {
        for (Index d = 0; d < 2 * k_; ++d) std::swap(at(step, d), at(row, d));
        for (Index d = 0; d < width; ++d)
          std::swap(system_[static_cast<std::size_t>(step * width + d)],
                    system_[static_cast<std::size_t>(row * width + d)]);
        std::swap(slack_[static_cast<std::size_t>(step)], slack_[static_cast<std::size_t>(row)]);
        std::swap(gradient_[static_cast<std::size_t>(step)], gradient_[static_cast<std::size_t>(row)]);
      }
      columns_.push_back(column);
      at(step, k_ + step) = 1;
      const double pivot = 1 / at(step, column);
      for (Index d = 0; d < 2 * k_; ++d) at(step, d) *= pivot;
      for (Index i = 0; i < m; ++i) {
        const double factor = at(i, column);
        if (i == step || factor == 0) continue;
        for (Index d = 0; d < 2 * k_; ++d) at(i, d) -= factor * at(step, d);
      }
    }
    for (Index step = 0; step < k_; ++step) {
      std::copy_n(work_.data() + step * 2 * k_ + k_, k_,
                  inverse_.data() + columns_[static_cast<std::size_t>(step)] * k_);
    }
    return true;
  }

  const Vector& mean_of_vertices(const Cell& cell) {
    mean_.resize(k_);
    for (Index d = 0; d < k_; ++d) {
      const double* x = cell.coordinates + d * cell.stride;
      double sum = 0;
      for (Index v = 0; v < cell.count; ++v) sum += x[v];
      mean_[d] = sum / static_cast<double>(cell.count);
    }
    return mean_;
  }

  // Whoever measures the region gets vertices that are good enough for it: as they are, put right, or exact, as need
  // be. False: even rounding them to doubles moves them by something like the region's width.
  bool sharpen() {
    if (!has_room_) has_room_ = give_room(*region_);
    return *has_room_;
  }

  // There is room if the mean of the vertices is room() times as far from every wall as the vertices can be off.
  bool give_room(const Cell& cell) {
    const double most = most_off(cell);
    if (cell.largest_delta <= most) return true;
    double off = 0;
    for (Index v = 0; v < cell.count; ++v) {
      if (cell.delta[v] > most && cell.polished[v] == 0) polish(cell, v);
      off = std::max(off, cell.delta[v]);
    }
    clearance_.reset();
    if (off <= most_off(cell)) return true;
    const double rounding = std::numeric_limits<double>::epsilon() * reach_.maxCoeff();
    for (Index v = 0; v < cell.count; ++v) {
      if (cell.delta[v] <= rounding) continue;
      geometry_.walls_at(cell, v, walls_at_);
      meeting_.clear();
      for (const int w : walls_at_) meeting_.push_back(walls_[static_cast<std::size_t>(w)]);
      const Vector t = exact_.point_at(meeting_, pieces_);
      for (Index d = 0; d < k_; ++d) cell.coordinates[d * cell.stride + v] = t[d];
      cell.delta[v] = rounding;
      cell.polished[v] = 1;
      if (v == 0) geometry_.pad(cell);
    }
    clearance_.reset();
    return rounding <= most_off(cell);
  }

  double most_ever() const { return p_.incidence ? kSharp * reach_sum_ : std::numeric_limits<double>::infinity(); }
  double room() const { return k_ <= 2 ? kRoom : kRoomBeyond; }

  // Vertices that are off by no more leave room. The mean of n vertices is at least 1/n of the width away from every
  // wall.
  double most_off(const Cell& cell) {
    const auto n = static_cast<double>(cell.count);
    const double free = k_ <= 2 ? least_width(cell) / n : clearance(cell);
    return std::min(most_ever(), free / room() - n * std::numeric_limits<double>::epsilon() * reach_.maxCoeff());
  }

  // A lower bound of the cell's width on a line or in a plane: the area over the diameter.
  double least_width(const Cell& cell) {
    const double* x = cell.coordinates;
    if (k_ == 1) {
      const auto [low, high] = std::minmax_element(x, x + cell.count);
      return *high - *low;
    }
    if constexpr (std::is_same_v<Geometry, PolygonGeometry>) {
      const double* y = cell.coordinates + cell.stride;
      double area = 0;  // twice
      double extent = 0;
      for (Index v = 1; v < cell.count; ++v) {
        const double dx = x[v] - x[0];
        const double dy = y[v] - y[0];
        extent = std::max(extent, std::abs(dx) + std::abs(dy));
        if (v > 1) area += (x[v - 1] - x[0]) * dy - dx * (y[v - 1] - y[0]);
      }
      return extent > 0 ? area / (4 * extent) : 0;
    }
    return clearance(cell);
  }

  // How far the mean of the vertices may go in any coordinate, all together, before it meets a wall, by the walls' own
  // forms and their errors. Above 0: it is inside, wherever the vertices should be.
  double clearance(const Cell& cell) {
    if (clearance_) return *clearance_;
    const double* mean = mean_of_vertices(cell).data();
    geometry_.walls_around(cell, walls_at_);
    learn_sides();
    double least = std::numeric_limits<double>::infinity();
    for (const int w : walls_at_) {
      const double* side = sides_known_.data() + static_cast<Index>(w) * (k_ + 3);
      double value = side[k_];
      for (Index d = 0; d < k_; ++d) value += side[d] * mean[d];
      const double room = value - side[k_ + 1];
      if (!(room > 0)) return *(clearance_ = -1);
      least = std::min(least, room / side[k_ + 2]);
    }
    return *(clearance_ = least);
  }

  // Of every wall that the region was cut by, what clearance() asks for: the form, positive on the region's side, twice
  // its error, and how fast it can fall. Regions that follow each other share most walls.
  void learn_sides() {
    const std::size_t width = static_cast<std::size_t>(k_) + 3;
    if (sides_known_.size() < walls_.size() * width) sides_known_.resize(walls_.size() * width);
    for (; known_sides_ < walls_.size(); ++known_sides_) {
      const Hyperplane& wall = walls_[known_sides_];
      double* side = sides_known_.data() + known_sides_ * width;
      const Doubt doubt = wall_form(wall, side);
      double slope = doubt.gradient;
      for (Index d = 0; d < k_; ++d) slope += 1.01 * std::abs(side[d]);
      if (side_of(wall) < 0) {
        for (Index d = 0; d <= k_; ++d) side[d] = -side[d];
      }
      side[k_ + 1] = 2 * doubt.error;
      side[k_ + 2] = slope;
    }
  }

  // Polishes the vertices that have drifted; the largest displacement that is left.
  double put_right(const Cell& cell) {
    const double drift = kDrift * reach_sum_;
    if (cell.largest_delta <= drift) return cell.largest_delta;
    double largest = 0;
    for (Index v = 0; v < cell.count; ++v) {
      if (cell.delta[v] > drift && cell.polished[v] == 0) polish(cell, v);
      largest = std::max(largest, cell.delta[v]);
    }
    return largest;
  }

  // The form that vanishes on a wall, k + 1 numbers; its error at any t of the domain, and its gradient's error.
  Doubt wall_form(const Hyperplane& wall, double* form) const {
    constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
    if (wall.stage < 0) {
      std::fill_n(form, k_, 0.0);
      if (wall.row < 2 * k_) {
        const Index d = wall.row / 2;
        form[d] = 1;
        form[k_] = -(wall.row % 2 == 0 ? p_.domain.box.lower[d] : p_.domain.box.upper[d]);
        return {2 * kEpsilon * std::abs(form[k_]), 0};
      }
      const Index r = wall.row - 2 * k_;
      double size = std::abs(p_.domain.constraints.offsets[r]);
      for (Index d = 0; d < k_; ++d) {
        form[d] = p_.domain.constraints.normals(r, d);
        size += std::abs(form[d]) * reach_[d];
      }
      form[k_] = -p_.domain.constraints.offsets[r];
      return {2 * static_cast<double>(k_ + 3) * kEpsilon * size, 0};
    }
    const Forms& z = at_[static_cast<std::size_t>(wall.stage)].forms;
    const StageFilter& filter = p_.filters[static_cast<std::size_t>(wall.stage)];
    for (Index d = 0; d <= k_; ++d) form[d] = z.row(d)[wall.row] - (wall.other >= 0 ? z.row(d)[wall.other] : 0);
    form[k_] -= wall.threshold;
    Doubt doubt{2 * filter.error[wall.row] + 2 * kEpsilon * std::abs(wall.threshold),
                2 * filter.gradient_error[wall.row]};
    if (wall.other >= 0) {
      doubt.error += 2 * filter.error[wall.other];
      doubt.gradient += 2 * filter.gradient_error[wall.other];
    }
    return doubt;
  }

  signed char exact_sign(const Cell& cell, Index v) {
    geometry_.walls_at(cell, v, walls_at_);
    meeting_.clear();
    for (const int w : walls_at_) meeting_.push_back(walls_[static_cast<std::size_t>(w)]);
    return static_cast<signed char>(exact_.sign_at(wall_, meeting_, pieces_));
  }

  Signs evaluate_unit(int s, const Cell& cell, Index unit, Index break_index) {
    const Stage& stage = p_.stages[s];
    const Piecewise& f = *stage.piecewise();
    const double at = f.breaks(f.row_of(unit), break_index);
    const Forms& z = state(s).forms;
    form_.resize(k_ + 1);
    for (Index d = 0; d <= k_; ++d) form_[d] = z.row(d)[unit];
    form_[k_] -= at;
    const StageFilter& filter = p_.filters[static_cast<std::size_t>(s)];
    wall_ = {s, unit, -1, at, break_index, unit};
    return evaluate(cell, form_.data(),
                    {filter.error[unit] + 2 * std::numeric_limits<double>::epsilon() * std::abs(at),
                     1.01 * form_.head(k_).cwiseAbs().sum() + filter.gradient_error[unit]},
                    state(s).first_form + static_cast<std::uint64_t>(break_index * stage.size + unit));
  }

  // Between two decisions: is anybody waiting for us to stop? Where decisions are dear, at each of them.
  void breathe() {
    if (keep_going_ == nullptr || (Geometry::kVertices && ++looks_ % 1024 != 0)) return;
    UNRECT_REQUIRE((*keep_going_)(), ErrorCode::kCancelled, "a unit of work was cancelled");
  }

  // Splits the cell by the items from `item` on; every cell that is left has all bits of stage s.
  void subdivide(int s, Cell cell, std::size_t item) {
    const Stage& stage = p_.stages[s];
    StageState& st = state(s);
    const std::size_t depth = path_.size();
    const std::size_t walls = walls_.size();
    const Arena::Mark mark = arena_.mark();
    for (; item < st.items.size(); ++item) {
      const Item& cut = st.items[item];
      std::uint16_t& p = piece(stage, cut.unit);
      if (cut.first) p = cut.base;
      breathe();
      const Signs signs = evaluate_unit(s, cell, cut.unit, cut.break_index);
      const auto above = static_cast<std::uint16_t>(cut.break_index + 1);
      if (!signs.below || !signs.above) {
        touch(cell, signs);
        if (signs.above) p = above;
        continue;
      }
      Cell negative;
      Cell positive;
      // Where the count is all that is asked for, nobody looks at the last cells.
      if (visitor_ != nullptr || s < last_ || item + 1 < st.items.size()) split(cell, negative, positive);
      walls_.push_back(wall_);
      const std::uint16_t before = p;
      if (path_.size() < unit_->path.size()) {
        path_.push_back(unit_->path[path_.size()]);
        if (path_.back() == 0) {
          cell = negative;
        } else {
          cell = positive;
          p = above;
        }
        continue;
      }
      path_.push_back(0);
      subdivide(s, negative, item + 1);
      path_.back() = 1;
      if (stop_) {
        leave_open();
        return retreat(depth, walls, mark);
      }
      p = before < above ? above : before;
      forget_sides(walls_.size() - 1);
      cell = positive;
    }
    leaf(s, cell);
    retreat(depth, walls, mark);
  }

  void retreat(std::size_t depth, std::size_t walls, Arena::Mark mark) {
    path_.resize(depth);
    drop_walls(walls);
    arena_.release(mark);
  }

  void drop_walls(std::size_t walls) {
    walls_.resize(walls);
    forget_sides(walls);
  }

  // The walls from this one on have other forms or sides than they had.
  void forget_sides(std::size_t wall) { known_sides_ = std::min(known_sides_, wall); }

  // A wall that the cell touches without being cut is one of its vertices' walls all the same, where that matters.
  void touch(Cell& cell, const Signs& signs) {
    if (!p_.incidence || !signs.on) return;
    if constexpr (Geometry::kVertices) geometry_.touch(arena_, cell, sign_.data(), static_cast<int>(walls_.size()));
    walls_.push_back(wall_);
  }

  void leave_open() {
    if (result_.stopped) return;
    result_.open.push_back({path_, std::min(unit_->generation + 1, kOldest)});
  }

  void leaf(int s, const Cell& cell) {
    // A cell above the end of the path was met by the unit that left this one open.
    if (path_.size() >= unit_->path.size() && s < last_)
      ++result_.counts.per_layer[static_cast<std::size_t>(p_.stages[s].layer)];
    if (s == last_) return emit(cell);
    close(s);
    complete(s + 1);
    state(s + 1).active_before = active_up_to(s);
    enter(s + 1, cell);
  }

  // The active columns of the units whose piece the leaf has settled.
  void close(int s) {
    StageState& st = state(s);
    st.active.resize(st.decided);
    for (std::size_t i = 0; i < st.items.size(); ++i) {
      if (st.items[i].first) activate(s, st.items[i].unit);
    }
    for (const Index unit : st.windows) activate(s, unit);
  }

  // Units on a piece above the lowest, in the stages up to s, whose pieces are all settled.
  std::uint64_t active_up_to(int s) {
    const Stage& stage = p_.stages[s];
    const StageState& st = state(s);
    std::uint64_t active = st.active_before + st.active_units;
    for (const Item& item : st.items) active += item.first && piece(stage, item.unit) > 0 ? 1 : 0;
    for (const Index unit : st.windows) active += piece(stage, unit) > 0 ? 1 : 0;
    return active;
  }

  void emit(const Cell& cell) {
    const std::uint64_t active = last_ == 0 ? 0 : active_up_to(last_);
    ++result_.counts.active[active];
    ++result_.counts.regions;
    if (!result_.counts.per_layer.empty()) ++result_.counts.per_layer.back();
    result_.share += std::ldexp(1.0, -static_cast<int>(path_.size()));
    if (visitor_ != nullptr) {
      region_ = &cell;
      has_room_.reset();
      clearance_.reset();
      if (!(*visitor_)(*this)) stop_ = result_.stopped = true;
    }
    if (result_.counts.regions >= budget_) stop_ = true;
  }

  // ---- maxima: one child for each slot that wins somewhere ----

  // Whether slot a's form is ≥ (>) slot b's on the cell.
  Signs compare(int s, const Cell& cell, Index unit, Index a, Index b) {
    const Forms& z = state(s).forms;
    form_.resize(k_ + 1);
    for (Index d = 0; d <= k_; ++d) form_[d] = z.row(d)[a] - z.row(d)[b];
    const StageFilter& filter = p_.filters[static_cast<std::size_t>(s)];
    wall_ = {s, a, b, 0, 0, unit};
    return evaluate(cell, form_.data(),
                    {2 * (filter.error[a] + filter.error[b]),
                     1.01 * form_.cwiseAbs().sum() + filter.gradient_error[a] + filter.gradient_error[b]},
                    state(s).first_form + static_cast<std::uint64_t>(b * z.size() + a));
  }

  // The slot that wins all over the cell, or −1.
  Index winner(int s, const Cell& cell, const Maximum& m, Index unit) {
    Index best = -1;
    for (Index slot = 0; slot < m.width; ++slot) {
      const Index from = m.index[static_cast<std::size_t>(unit * m.width + slot)];
      if (from < 0) continue;
      if (best < 0 || !compare(s, cell, unit, from, m.index[static_cast<std::size_t>(unit * m.width + best)]).below) {
        // The first slot that attains the maximum keeps a tie.
        if (best >= 0 && !compare(s, cell, unit, from, m.index[static_cast<std::size_t>(unit * m.width + best)]).above)
          continue;
        best = slot;
      }
    }
    for (Index slot = 0; slot < m.width; ++slot) {
      const Index from = m.index[static_cast<std::size_t>(unit * m.width + slot)];
      if (from >= 0 && slot != best &&
          compare(s, cell, unit, from, m.index[static_cast<std::size_t>(unit * m.width + best)]).above)
        return -1;
    }
    return best;
  }

  void classify_windows(int s, const Cell& cell) {
    const Stage& stage = p_.stages[s];
    StageState& st = state(s);
    for (Index unit = 0; unit < stage.units(); ++unit) {
      const Index slot = winner(s, cell, *stage.maximum(), unit);
      if (slot < 0) {
        st.windows.push_back(unit);
        continue;
      }
      piece(stage, unit) = static_cast<std::uint16_t>(slot);
      activate(s, unit);
      st.active_units += slot > 0 ? 1 : 0;
    }
  }

  // The part of the cell where `slot` wins; false if it has no interior.
  bool restrict_to(int s, const Maximum& m, Index unit, Index slot, Cell& cell) {
    const Index from = m.index[static_cast<std::size_t>(unit * m.width + slot)];
    for (Index other = 0; other < m.width; ++other) {
      const Index rival = m.index[static_cast<std::size_t>(unit * m.width + other)];
      if (other == slot || rival < 0) continue;
      breathe();
      const Signs signs = compare(s, cell, unit, from, rival);
      if (!signs.above && (signs.below || other < slot)) return false;
      if (!signs.below) continue;
      Cell lost;
      Cell kept;
      split(cell, lost, kept);
      walls_.push_back(wall_);
      cell = kept;
    }
    return true;
  }

  void compete(int s, const Cell& cell, std::size_t window) {
    StageState& st = state(s);
    if (window == st.windows.size()) return leaf(s, cell);
    const Stage& stage = p_.stages[s];
    const Maximum& m = *stage.maximum();
    const Index unit = st.windows[window];
    const bool replay = path_.size() < unit_->path.size();
    const std::size_t walls = walls_.size();
    for (Index slot = 0; slot < m.width; ++slot) {
      if (m.index[static_cast<std::size_t>(unit * m.width + slot)] < 0) continue;
      if (replay && unit_->path[path_.size()] != slot) continue;
      const Arena::Mark mark = arena_.mark();
      Cell child = cell;
      if (restrict_to(s, m, unit, slot, child)) {
        path_.push_back(static_cast<std::uint16_t>(slot));
        if (stop_) {
          leave_open();
        } else {
          piece(stage, unit) = static_cast<std::uint16_t>(slot);
          compete(s, child, window + 1);
        }
        path_.pop_back();
      }
      drop_walls(walls);
      arena_.release(mark);
    }
  }

  const Refinement::Prepared& p_;
  Index k_;
  int last_;
  int first_ = 1;
  Geometry geometry_;
  ExactForms exact_;
  Arena arena_;
  Arena::Mark root_;  // above it: what a unit of work takes
  Cell domain_;
  bool empty_ = false;
  std::size_t domain_walls_ = 0;
  std::vector<StageState> at_;
  std::vector<std::uint16_t> pieces_;
  std::vector<Hyperplane> walls_;
  std::vector<std::uint16_t> path_;

  std::vector<double> value_;
  std::vector<signed char> sign_;
  Doubt doubt_;
  Vector low_, high_, form_;
  std::vector<std::uint64_t> above_, decided_;
  Hyperplane wall_;
  std::vector<int> walls_at_;
  Vector reach_;  // max |t_d| over the domain
  double reach_sum_ = 0;
  std::vector<double> system_, inverse_, work_, slack_, gradient_, point_, residual_;  // of polish
  std::vector<Index> columns_;
  std::vector<Hyperplane> meeting_;
  std::uint64_t next_form_ = 1, first_form_ = 1;
  std::vector<WallSide> sides_;
  std::optional<bool> has_room_;  // of the region, once they are known
  std::optional<double> clearance_;
  std::vector<double> sides_known_;  // of the first known_sides_ walls, k + 3 numbers each
  std::size_t known_sides_ = 0;
  Vector mean_;
  HalfspaceGeometry::Judge judge_ = [this](int wall, int sign, std::span<const HalfspaceCell::Side> sides) {
    return judge(wall, sign, sides);
  };

  const WorkUnit* unit_ = nullptr;
  std::uint64_t budget_ = 0;
  const RegionVisitor* visitor_ = nullptr;
  const std::function<bool()>* keep_going_ = nullptr;
  unsigned looks_ = 0;
  const Cell* region_ = nullptr;
  WorkResult result_;
  bool stop_ = false;
};

}  // namespace unrect
