// Shor's relaxation of max ‖W_L D … D W_1‖₂ over D ∈ {0, 1}: a semidefinite program of which any multipliers give a
// bound.
#pragma once

#include "unrect/base/types.hpp"

namespace unrect {

/// x = (u, v): k directions and m units that are on either piece. A unit's z is a row over x (its own v and later ones
/// not among them), its v is d z with d ∈ {0, 1}, so that v (z − v) = 0; the output is O x.
struct UnitProgram {
  Index directions = 0;
  Eigen::MatrixXd units;    // m × (k + m): row i is z_i − v_i
  Eigen::MatrixXd outputs;  // p × (k + m)

  Index size() const { return outputs.cols(); }
  Index undecided() const { return units.rows(); }
};

/// max ‖O x‖² over ‖u‖ = 1 is at most λ if, for some multipliers t of any sign,
///     M(λ, t) = λ I_u − OᵀO − Σ_i t_i (e_i y_iᵀ + y_i e_iᵀ) ⪰ 0,    y_i: row i of `units`, e_i: unit i's direction,
/// because xᵀM x = λ‖u‖² − ‖O x‖² − 2 Σ t_i v_i (z_i − v_i). (Shor 1987; with d ∈ [0, 1] and t ≥ 0 this is LipSDP of
/// Fazlyab et al. 2019.) The least λ is sought by Newton's method on θ λ − log det M with growing θ; from any pair with
/// M ≻ 0, a child's is its parent's with the decided unit's multiplier left out.
class ShorBound {
 public:
  /// A pair with M ≻ 0, to begin with; `weight`: for each unit, a guess of the right size of t.
  void start(const UnitProgram& program, const Vector& weight);
  /// Brings λ down until it is below `target` (true), or until it is clear that it will not get there.
  bool solve(const UnitProgram& program, double target);
  /// Whether M(λ, multipliers()) ⪰ 0 is proved, entries of O and y off by as much as `error` (a 2-norm of each row).
  bool proves(const UnitProgram& program, double lambda, double output_error, const Vector& unit_error);

  Vector multipliers;  // m
  double lambda = 0;

  /// E v², E v z, E z² of a unit under the relaxation's own distribution (up to a factor), after solve().
  struct Moments {
    double vv = 0, vz = 0, zz = 0;
  };
  Moments moments(Index unit) const;
  /// Whether there are any: not if M was singular from the start.
  bool has_moments() const { return has_moments_; }

 private:
  bool factorise(const UnitProgram& program, double lambda, const Vector& t);
  void assemble(const UnitProgram& program, double lambda, const Vector& t);

  Eigen::MatrixXd matrix_, lower_, root_, root_units_, inverse_, inverse_units_, units_inverse_units_, hessian_;
  Eigen::VectorXd gradient_, step_;
  Index directions_ = 0;
  bool has_moments_ = false;
};

}  // namespace unrect
