// Small dense linear programs over a box. Regions, facets and proofs take millions of them.
#pragma once

#include <vector>

#include "unrect/polytope/halfspaces.hpp"
#include "unrect/polytope/lp.hpp"

namespace unrect {

/// How near to a constraint counts as on it. Rows are scaled by powers of two to a length of √2 to 2√2 first, so that
/// every number is about distances.
struct LpTolerances {
  double feasibility = 1e-9;  // a row is kept if scaled a·x − b ≤ feasibility · max(1, |b|); sides of the box alike
  double dual = 1e-12;        // multipliers may be this far below 0, relative to max |c_j|
  double pivot = 1e-9;        // smallest pivot
  int refactor = 30;          // pivots between two inversions of the basis
};

/// min or max c·x subject to G x ≤ h, lo ≤ x ≤ hi, by the dual active-set simplex method.
///
/// A basis is n tight constraints B x = b_B with c + Bᵀ y = 0. The corner of the box that sign(c) chooses has y = |c| ≥
/// 0, so there is no first phase. Each pivot lets the most violated constraint p in and the one with the smallest y_k /
/// w_k > 0 out (w = B⁻ᵀ p); no such k is a proof of infeasibility. B⁻¹, x and y are updated, violations are always G x
/// − h afresh: O(mn + n²) a pivot. After many pivots without progress Bland's rule takes over. From the last basis
/// (`Start::kLastBasis`) it goes on by dual pivots if the multipliers allow it, else by primal pivots if the vertex
/// does, else from the corner. Nothing is allocated by a solve once m and n stay the same.
class DenseLp {
 public:
  enum class Start {
    kCorner,     // the answer depends on the problem alone, to the last bit
    kLastBasis,  // faster for a sequence of similar problems
  };

  /// @throws Error kInvalidArgument for n = 0.
  explicit DenseLp(Box box, LpTolerances tolerances = {});
  DenseLp(const Halfspaces& rows, Box box, LpTolerances tolerances = {});

  Index dimension() const { return n_; }
  Index size() const { return m_; }
  const Box& box() const { return box_; }

  /// Replaces the box and keeps the rows. @throws Error kInvalidArgument for another dimension.
  void set_box(Box box);
  /// Replaces all rows; O(mn). @throws Error kInvalidArgument unless G is m × n, h is m.
  void set_rows(const MatrixRef& normals, const VectorRef& offsets);
  /// Returns the new row's index; O(n), amortised.
  Index append_row(const VectorRef& normal, double offset);
  void pop_row();
  void set_offset(Index row, double offset);
  /// A disabled row is as good as absent (and takes no dual); O(1).
  void enable_row(Index row, bool enabled);

  /// Solves. The result is good until the next solve. `cutoff`: stop with kCutoff as soon as the optimum is known to be
  /// above.
  /// @throws Error kInvalidArgument unless cost has n finite entries.
  const LpResult& minimize(const VectorRef& cost, Start start = Start::kCorner, double cutoff = kNoCutoff);
  /// `cutoff`: stop with kCutoff as soon as the optimum is known to be below.
  const LpResult& maximize(const VectorRef& cost, Start start = Start::kCorner, double cutoff = -kNoCutoff);

  /// The n constraints tight at the last vertex: a row's index i ≥ 0, −1 − 2j for x_j ≤ hi_j, −2 − 2j for x_j ≥ lo_j.
  const std::vector<Index>& basis() const { return basis_; }
  /// B⁻¹ at the last vertex, n × n: column k belongs to basis()[k], whose row of B is as it was given (x_j ≤ hi_j:
  /// e_j).
  Matrix basis_inverse() const;

  static constexpr double kNoCutoff = 1e308;

 private:
  // Each step is compiled for n ≤ 8 (kBlocks = 1), n ≤ 16 (2) and for any n (0).
  template <int kBlocks>
  LpStatus solve(Start start, double cutoff);
  template <int kBlocks>
  LpStatus dual_pivots(double cutoff);
  template <int kBlocks>
  bool primal_pivots();
  template <int kBlocks>
  bool resume();
  template <int kBlocks>
  bool refactor();
  template <int kBlocks>
  void recompute();
  template <int kBlocks>
  void recompute_y();
  template <int kBlocks>
  void price_normal(Index constraint);
  template <int kBlocks>
  void pivot(Index slot, Index constraint);
  template <int kBlocks>
  Index most_violated() const;
  template <int kBlocks>
  Index leaving_slot(bool bland) const;
  template <int kBlocks>
  Index improving_slot() const;
  template <int kBlocks>
  double refine();
  template <int kBlocks>
  double charge(Index farkas_row);
  Index first_violated() const;
  template <int kBlocks>
  Index first_hit(Index slot);
  void start_at_corner();
  double violation(Index constraint) const;
  const LpResult& run(const VectorRef& cost, double sign, Start start, double cutoff);
  void reserve(Index rows);
  void put_row(Index row, const VectorRef& normal, double offset);
  void update_limit(Index row);
  void forget_basis_with(Index row);
  void check_row(Index row) const;

  Index n_ = 0;
  Index m_ = 0;
  Index width_ = 0;  // n rounded up to whole SIMD lanes
  Box box_;
  LpTolerances tolerances_;

  Matrix rows_;                    // capacity × width: row i is G_i · scale_[i]
  Matrix columns_;                 // n × capacity: its transpose
  Vector offset_, scale_, limit_;  // capacity; limit: offset + tolerance, ∞ for rows that are disabled or in the basis
  std::vector<unsigned char> enabled_;
  Vector lower_, upper_;              // width: the box, padded with zeros,
  Vector lower_limit_, upper_limit_;  // and with its tolerance, padded with ∓∞

  std::vector<Index> basis_, old_basis_;
  std::vector<unsigned char> taken_;
  bool basis_valid_ = false;
  bool x_current_ = false;       // x_ is the basis' vertex, refined
  Matrix inverse_;               // B⁻¹, n × width: slot k is column k
  Vector cost_, x_, y_, w_;      // width; y, w by slot
  Vector residual_, magnitude_;  // width
  Vector slack_, rate_;          // capacity
  double dual_tolerance_ = 0;
  int pivots_ = 0;
  int since_refactor_ = 0;
  LpResult result_;
};

}  // namespace unrect
