// Linear bounds of a network over many boxes at once: what no input of a node can exceed, rounding included.
//
// Soundness. A sweep starts with rows F = u·z_t + c of numbers of stage t and goes back to the input. At each step it
// holds
//     F(x) ≥ Σ_s A_s·a_s(x) + c − e      for every x of the node,
// with A, c as computed and e the charge so far. (1) Piecewise-linear units: for l ≤ z ≤ h a unit lies between two
// lines, slope z + offset, whose offsets are rounded outward at every break and both ends, so they hold in exact
// arithmetic for whatever slope doubles give. A_i ≥ 0 takes the lower line, A_i < 0 the upper: v_i = fl(A_i slope), off
// by ε|v_i| at most. (2) z = Σ M a + b: fl(vᵀM) is off by γ_n Σ|v_i||M_ij| a column, and |a_j| is at most its magnitude
// over the whole domain, which every node lies in. With m_i ≥ Σ_j |M_ij||a_j| + |b_i| + |error of b_i| both roundings,
// the bias's and those of sums over several links are paid by
//     e += γ_N Σ_i |v_i| m_i,    γ_N = N ε / (1 − N ε),  N = size of the stage + links of the graph + 16
// (spec: charge γ_n Σ|u||L||x| a step). (3) Sums of constants and the last product over the box are charged alike.
// Products too small for γ are covered by a smallest number a term, and coefficients that underflow by one times Σ |a|
// and Σ |z| over the domain. m is computed from bounds that were proved in the
// same way, stage by stage, and enlarged by 1 %, which is far more than its own rounding. A row in which anything was
// infinite or NaN on the way bounds nothing: its value is −∞, its minorant 0·x − ∞.
#pragma once

#include <optional>
#include <vector>

#include "unrect/bounds/internal/bound_graph.hpp"
#include "unrect/bounds/internal/norm_ball.hpp"
#include "unrect/bounds/internal/unit_lines.hpp"
#include "unrect/polytope/halfspaces.hpp"

namespace unrect {

/// Some nodes of a branch and bound, one a row: ranges that hold for z of every stage. Stage 0 is the node's box; the
/// output's are not kept.
struct NodeBatch {
  std::vector<Matrix> low, high;  // by stage: nodes × size
  std::vector<char> empty;        // a range turned out to be empty: no input is in the node

  Index count() const { return low.empty() ? 0 : low.front().rows(); }
};

/// rows y + offsets, what is to be bounded from below.
struct Objectives {
  Matrix rows;     // objectives × outputs
  Vector offsets;  // objectives

  Index size() const { return rows.rows(); }
};

/// For each node and objective (row node · objectives + objective): value ≤ objective over the node, proved; the affine
/// minorant behind it, slope·x + constant − charge, is below the objective all over the node.
struct Minorants {
  Vector value, constant;
  Matrix slope;  // × inputs
};

/// A half of a node: sign · (z_unit − at) ≥ 0 for a unit of a stage.
struct Split {
  int stage = 0;
  Index unit = 0;
  double at = 0;
  int sign = 1;
};

/// Lines below and above a stage's units, one node a row.
struct Lines {
  Matrix low_slope, low_offset, high_slope, high_offset;  // nodes × units
};

/// A graph prepared for one domain; the workspace of one thread.
class Relaxation {
 public:
  /// Bounds the whole domain once, for magnitudes: a box, or what a ball leaves of it, and of every node then. The
  /// graph has to live as long.
  Relaxation(const BoundGraph& graph, Box domain, std::optional<NormBall> ball = {});

  const BoundGraph& graph() const { return *graph_; }
  /// The whole domain as one node.
  const NodeBatch& root() const { return root_; }
  /// |z| of a stage's numbers is at most this on the whole domain.
  const Vector& magnitude(int stage) const { return magnitude_[static_cast<std::size_t>(stage)]; }

  /// Whether no value can come near the largest double anywhere on the domain. Where one can, bounds are −∞.
  bool finite() const;

  /// Tightens the ranges of every stage, from the first on: by intervals, then by a sweep for each unit that they leave
  /// undecided. Ranges only shrink.
  void tighten(NodeBatch& nodes);
  /// @throws nothing; O(nodes · objectives · weights).
  void minimize(const NodeBatch& nodes, const Objectives& objectives, Minorants& out);

  /// What one sweep for one row a node is made with, and what it leaves behind.
  struct Sweep {
    int stage = 0;    // of the rows
    Matrix rows;      // nodes × size of the stage
    Vector constant;  // nodes
    Vector doubt;     // nodes: how far rounding has moved rows · z + constant from what is asked for
    const std::vector<Matrix>* slopes{};  // by stage, nodes × units: of the lower lines of straddling rectifiers
    const std::vector<std::vector<Split>>* splits{};
    const std::vector<Vector>* multipliers{};  // ≥ 0, of each split: F ≥ F − β sign (z − at) on the node

    Vector value;                // proved
    Matrix slope;                // of the affine minorants behind it, nodes × inputs,
    Vector intercept;            // and their constants, charged
    Matrix corner;               // of the node, where the last minorant is lowest
    std::vector<Matrix> z;       // by stage: the values there, if every unit were on the line that the sweep used
    std::vector<Matrix> weight;  // by stage: coefficients of the units
  };
  /// `trace`: z, weight and corner as well. O(nodes · weights).
  void sweep_rows(const NodeBatch& nodes, Sweep& sweep, bool trace);

 private:
  struct Rows {
    std::vector<Index> node;
    Vector constant, charge;
  };

  void resize(int stage, Index rows);
  void relax(int stage, const NodeBatch& nodes);
  void sweep(int from, Rows& rows, const Sweep* extras = nullptr);
  void add_splits(int stage, const Sweep& extras, Rows& rows);
  void trace(const NodeBatch& nodes, Sweep& sweep);
  void step_back(int stage, Rows& rows);
  void propagate(int stage, Rows& rows);
  void start_at_units(int stage, std::size_t begin, Index units, Rows& rows);
  Vector concretize(const NodeBatch& nodes, Rows& rows);
  void intervals(int stage, NodeBatch& nodes);
  void tighten_by_sweeps(int stage, NodeBatch& nodes);
  void set_magnitude(int stage);

  const BoundGraph* graph_;
  Box domain_;
  std::optional<NormBall> ball_;
  Matrix corner_;  // where the rows of the last concretize are lowest; only with a ball
  NodeBatch root_;
  std::vector<Vector> magnitude_;   // m of each stage's z
  double reach_ = 0;                // Σ |z| + |a| over the domain, of the stages so far
  std::vector<Vector> activation_;  // |a| over the domain
  std::vector<Lines> lines_;
  std::vector<Matrix> coefficients_;  // A of each stage, while a sweep runs
  std::vector<char> used_;
  Matrix v_;  // coefficients of z
  Eigen::Array<double, 1, Eigen::Dynamic> up_, down_;
  std::vector<std::pair<Index, Index>> undecided_;
};

}  // namespace unrect
