#include "unrect/verify/internal/certify.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "unrect/verify/internal/box_cuts.hpp"
#include "unrect/verify/internal/referee.hpp"

namespace unrect {
namespace {

// A cut has to take at least this share of the width off, and leaves a little of what the search cut.
constexpr double kWorthIt = 0.05, kLeft = 0.01;
// With so few units undecided a part is split by units, else by halving its widest input.
constexpr Index kFewUnits = 24;
// A part that units split is bounded anew after so many of them.
constexpr std::size_t kBoundEvery = 4;
// Steps that a proof may have beyond the search's own.
constexpr std::size_t kSteps = 2'000'000;
// Units that a part is split by, at most; a box narrower than this, relative to the domain, is given up.
constexpr std::size_t kSides = 64;
constexpr double kNarrow = 1e-9;

class Certifier {
 public:
  Certifier(const Network& network, const Property::Case& one, const SearchTree& tree,
            std::chrono::steady_clock::time_point deadline, Certificate& out)
      : network_(network), case_(one), tree_(tree), deadline_(deadline), out_(out), referee_(network, one.box) {}

  using Bounded = std::shared_ptr<const Referee::Ranges>;

  bool run() { return follow(0, case_.box, bounded()); }

 private:
  bool follow(int node, Box box, Bounded outer);
  Bounded bounded() const { return std::make_shared<const Referee::Ranges>(referee_.ranges()); }
  using Weights = std::vector<Vector>;  // by unsafe polytope

  bool close(const Box& box, const std::vector<Side>& sides, const Bounded& outer);
  void cut(Box& box, const Box& target);
  void nothing_left();
  std::vector<AffineRows> rows();
  bool refuted(const std::vector<AffineRows>& rows, const Box& slice, Weights& weights);
  Side first_undecided(Index& count) const;
  void put(ProofStep step, const Weights& weights = {});
  bool spent() const { return out_.steps.size() > kSteps || std::chrono::steady_clock::now() > deadline_; }

  const Network& network_;
  const Property::Case& case_;
  const SearchTree& tree_;
  std::chrono::steady_clock::time_point deadline_;
  Certificate& out_;
  Referee referee_;
};

void Certifier::put(ProofStep step, const Weights& weights) {
  out_.steps.push_back(step);
  for (const Vector& of : weights) out_.multipliers.insert(out_.multipliers.end(), of.begin(), of.end());
}

// Minorants of every claim over what the referee entered, by polytope.
std::vector<AffineRows> Certifier::rows() {
  std::vector<AffineRows> out;
  for (const Halfspaces& polytope : case_.unsafe_outputs) {
    const Referee::Claims claims{polytope, case_.input_rows};
    const Index size = referee_.size(claims);
    AffineBounds bounds = referee_.minorants(claims, Matrix::Identity(size, size));
    out.push_back({std::move(bounds.slopes), std::move(bounds.constants)});
  }
  return out;
}

// Multipliers that leave no unsafe input in the slice of what the referee entered, accepted by it.
bool Certifier::refuted(const std::vector<AffineRows>& rows, const Box& slice, Weights& weights) {
  weights.clear();
  for (std::size_t p = 0; p < rows.size(); ++p) {
    const Referee::Claims claims{case_.unsafe_outputs[p], case_.input_rows};
    const Index size = rows[p].size();
    if (size == 0) return false;
    const AffineBounds bounds{rows[p].slopes, rows[p].constants};
    Vector of;
    for (Index i = 0; i < size && of.size() == 0; ++i) {
      if (Referee::least(bounds, i, slice) > 0) of = Vector::Unit(size, i);
    }
    if (of.size() == 0) {
      if (size == 1) return false;
      const Deepest deepest = deepest_point(rows[p], slice.lower, slice.upper);
      if (!(deepest.value > 0)) return false;
      of = deepest.weights;
      if (!of.allFinite() || !(of.array() >= 0).all()) return false;
      if (!(Referee::least(referee_.minorants(claims, of.transpose()), 0, slice) > 0)) return false;
    }
    weights.push_back(std::move(of));
  }
  return true;
}

Side Certifier::first_undecided(Index& count) const {
  Side best{0, 0, 0, 0};
  count = 0;
  for (const int v : network_.layers()) {
    const auto* f = std::get_if<Piecewise>(network_.node(v).op.get());
    if (f == nullptr) {
      count = kFewUnits + 1;  // a maximum is never split
      continue;
    }
    const int z = network_.node(v).inputs.front();
    double depth = 0;
    const bool found = best.sign != 0;
    for (Index i = 0; i < network_.node(v).size; ++i) {
      bool open = false;
      for (Index b = 0; b < f->breaks.cols(); ++b) {
        const double here = f->breaks(f->row_of(i), b);
        const double inside = std::min(here - referee_.ranges().low[static_cast<std::size_t>(z)][i],
                                       referee_.ranges().high[static_cast<std::size_t>(z)][i] - here);
        open |= inside > 0;
        if (found || !(inside > depth)) continue;
        depth = inside;
        best = {v, i, here, 1};
      }
      count += open ? 1 : 0;
    }
  }
  return best;
}

// The part that the referee could not enter.
void Certifier::nothing_left() {
  Weights weights;
  for (const Halfspaces& polytope : case_.unsafe_outputs)
    weights.push_back(Vector::Zero(referee_.size({polytope, case_.input_rows})));
  put({ProofStep::Kind::kRefuted}, weights);
}

bool Certifier::close(const Box& box, const std::vector<Side>& sides, const Bounded& outer) {
  if (spent()) return false;
  Weights weights;
  // With the bounds of the part around it first, which cost the checker little.
  if (!referee_.enter_within(box, sides, *outer)) {
    nothing_left();
    return true;
  }
  if (refuted(rows(), box, weights)) {
    put({ProofStep::Kind::kRefuted}, weights);
    return true;
  }
  Bounded inner = outer;
  if (sides.size() % kBoundEvery == 0) {
    put({ProofStep::Kind::kBound});
    if (!referee_.enter(box, sides, *outer)) {
      nothing_left();
      return true;
    }
    if (refuted(rows(), box, weights)) {
      put({ProofStep::Kind::kRefuted}, weights);
      return true;
    }
    inner = bounded();
  }
  Index undecided = 0;
  const Side unit = first_undecided(undecided);
  if (unit.sign != 0 && undecided <= kFewUnits && sides.size() < kSides) {
    put({ProofStep::Kind::kSplit, unit.node, unit.unit, unit.at});
    for (const int sign : {-1, 1}) {
      std::vector<Side> half = sides;
      half.push_back({unit.node, unit.unit, unit.at, sign});
      if (!close(box, half, inner)) return false;
    }
    return true;
  }
  const Vector share =
      (box.upper - box.lower)
          .cwiseQuotient((case_.box.upper - case_.box.lower).cwiseMax(std::numeric_limits<double>::min()));
  Index widest = 0;
  if (!(share.maxCoeff(&widest) > kNarrow)) return false;
  Box below = box, above = box;
  below.upper[widest] = above.lower[widest] = 0.5 * box.lower[widest] + 0.5 * box.upper[widest];
  put({ProofStep::Kind::kSplit, 0, widest, below.upper[widest]});
  return close(below, sides, inner) && close(above, sides, inner);
}

// Cuts the box that the referee entered to the search's, side by side.
void Certifier::cut(Box& box, const Box& target) {
  const Vector width = box.upper - box.lower;
  std::vector<AffineRows> minorants;
  for (Index j = 0; j < width.size(); ++j) {
    for (const bool below : {true, false}) {
      const double taken = below ? target.lower[j] - box.lower[j] : box.upper[j] - target.upper[j];
      if (!(taken > kWorthIt * width[j])) continue;
      if (minorants.empty()) minorants = rows();
      Box slice = box;
      const double here = below ? target.lower[j] - kLeft * taken : target.upper[j] + kLeft * taken;
      (below ? slice.upper : slice.lower)[j] = here;
      Weights weights;
      if (!refuted(minorants, slice, weights)) continue;
      put({below ? ProofStep::Kind::kCutBelow : ProofStep::Kind::kCutAbove, 0, j, here}, weights);
      (below ? box.lower : box.upper)[j] = here;
    }
  }
}

bool Certifier::follow(int index, Box box, Bounded outer) {
  const SearchTree::Node& node = tree_.nodes[static_cast<std::size_t>(index)];
  if (node.input < 0) return close(box, {}, outer);
  if (spent()) return false;
  put({ProofStep::Kind::kBound});
  if (!referee_.enter(box, {}, *outer)) {
    nothing_left();
    return true;
  }
  outer = bounded();
  cut(box, node.box);
  put({ProofStep::Kind::kSplit, 0, node.input, node.at});
  Box below = box, above = std::move(box);
  below.upper[node.input] = above.lower[node.input] = node.at;
  return (node.below < 0 ? close(below, {}, outer) : follow(node.below, std::move(below), outer)) &&
         (node.above < 0 ? close(above, {}, outer) : follow(node.above, std::move(above), outer));
}

}  // namespace

bool certify(const Network& network, const Property::Case& one, const SearchTree& tree,
             std::chrono::steady_clock::time_point deadline, Certificate& out) {
  return Certifier(network, one, tree, deadline, out).run();
}

}  // namespace unrect
