#include "unrect/verify/internal/unit_cases.hpp"

#include <cmath>
#include <limits>
#include <optional>

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

constexpr Index kMany = 1'000'000;

struct Break {
  int stage = 0;
  Index unit = 0;
  double at = 0;
};

// The break of the first undecided stage that lies deepest inside its unit's range.
std::optional<Break> first_break(const BoundGraph& graph, const NodeBatch& node) {
  for (int s = 1; s + 1 < graph.size(); ++s) {
    const Piecewise* f = graph[s].piecewise();
    if (f == nullptr) continue;
    std::optional<Break> best;
    double depth = 0;
    for (Index i = 0; i < graph[s].size; ++i) {
      for (Index b = 0; b < f->breaks.cols(); ++b) {
        const double here = f->breaks(f->row_of(i), b);
        const double inside = std::min(here - node.low[at(s)](0, i), node.high[at(s)](0, i) - here);
        if (!(inside > depth)) continue;
        depth = inside;
        best = Break{s, i, here};
      }
    }
    if (best) return best;
  }
  return std::nullopt;
}

class Cases {
 public:
  Cases(Relaxation& relaxation, const Query& query, int budget)
      : relaxation_(relaxation), graph_(relaxation.graph()), query_(query), budget_(budget) {}

  // Whether no input of the node on these sides is unsafe.
  bool refuted(NodeBatch node, const AffineRows& sides) {
    if (++out.nodes > static_cast<std::uint64_t>(budget_)) return false;
    Vector low = node.low[0].row(0), high = node.high[0].row(0);
    if (!shrink_box(sides, low, high)) return true;
    node.low[0].row(0) = low.transpose();
    node.high[0].row(0) = high.transpose();
    relaxation_.tighten(node);
    if (node.empty[0] != 0) return true;
    Minorants minorants;
    relaxation_.minimize(node, query_.rows, minorants);
    if (!open(minorants, sides, low, high)) return true;
    const std::optional<Break> cut = first_break(graph_, node);
    if (!cut) return false;
    for (const int sign : {1, -1}) {
      const AffineRows half_sides = with_side(node, sides, *cut, sign);
      if (!open(minorants, half_sides, low, high)) continue;  // already by the whole's minorants
      NodeBatch half = node;
      double& bound = (sign > 0 ? half.low : half.high)[at(cut->stage)](0, cut->unit);
      bound = cut->at;
      if (!refuted(std::move(half), half_sides)) return false;
    }
    return true;
  }

  UnitCases out;

 private:
  bool open(const Minorants& minorants, const AffineRows& sides, const Vector& low, const Vector& high) {
    bool any = false;
    for (Index p = 0; p < query_.polytopes(); ++p) {
      const Index begin = query_.first[at(p)], count = query_.unsafe[at(p)].size();
      if (count > 0 && minorants.value.segment(begin, count).maxCoeff() > 0) continue;
      AffineRows rows{Matrix(count + sides.size(), graph_.inputs()), Vector(count + sides.size())};
      rows.slopes << minorants.slope.middleRows(begin, count), sides.slopes;
      rows.constants << minorants.constant.segment(begin, count), sides.constants;
      Deepest deepest = deepest_point(rows, low, high);
      if (deepest.value > 0) continue;
      out.candidate = std::move(deepest.point);
      any = true;
    }
    return any;
  }

  // sign (z − at) ≥ 0, as a row that is below −sign (z − at) on the node.
  AffineRows with_side(const NodeBatch& node, const AffineRows& sides, const Break& cut, int sign) {
    Relaxation::Sweep sweep;
    sweep.stage = cut.stage;
    sweep.rows = Matrix::Zero(1, graph_[cut.stage].size);
    sweep.rows(0, cut.unit) = -sign;
    sweep.constant = Vector::Constant(1, sign * cut.at);
    sweep.doubt = Vector::Zero(1);
    relaxation_.sweep_rows(node, sweep, false);
    AffineRows rows{Matrix(sides.size() + 1, graph_.inputs()), Vector(sides.size() + 1)};
    rows.slopes << sides.slopes, sweep.slope;
    rows.constants << sides.constants, sweep.intercept;
    return rows;
  }

  Relaxation& relaxation_;
  const BoundGraph& graph_;
  const Query& query_;
  int budget_;
};

}  // namespace

UnitCases settle_units(Relaxation& relaxation, const Query& query, const NodeBatch& node, int budget) {
  Cases cases(relaxation, query, budget);
  const AffineRows sides{query.input_rows.size() > 0 ? query.input_rows.normals : Matrix(0, query.box.dimension()),
                         query.input_rows.size() > 0 ? Vector(-query.input_rows.offsets) : Vector(0)};
  cases.out.refuted = cases.refuted(node, sides);
  return cases.out;
}

Index undecided_units(const BoundGraph& graph, const NodeBatch& nodes, Index row) {
  Index count = 0;
  for (int s = 1; s + 1 < graph.size(); ++s) {
    if (graph[s].maximum() != nullptr) return kMany;
    const Piecewise* f = graph[s].piecewise();
    if (f == nullptr) continue;
    for (Index i = 0; i < graph[s].size; ++i) {
      bool open = false;
      for (Index b = 0; b < f->breaks.cols(); ++b) {
        const double here = f->breaks(f->row_of(i), b);
        open |= nodes.low[at(s)](row, i) < here && here < nodes.high[at(s)](row, i);
      }
      count += open ? 1 : 0;
    }
  }
  return count;
}

}  // namespace unrect
