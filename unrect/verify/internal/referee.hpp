// The checker's own bounds: what a network can be over a part of a box, from its nodes as the file has them.
//
// Soundness. A combination starts with coefficients of some nodes' values and goes back to the input, node by node. A
// term t added to the coefficient of a value of magnitude m is off by a rounding, as is each sum it enters: γ_N |t| m
// pays for all of them, γ_N = N ε / (1 − N ε), if N counts the products of a term and the terms of any coefficient.
// An affine node y = W x + b adds Σ_i A_i W_ij to the coefficient of x_j, and Σ_i |A_i| (Σ_j |W_ij| m_j + |b_i|) is
// known once for the whole domain. A piecewise-linear unit lies between two lines over its range, whose offsets are
// taken at both ends and on both sides of every break and rounded outward, so they hold for whatever slopes doubles
// give. What underflows is off by less than 1e-320 a product. Sums of charges are enlarged by 1 %, far more than their
// own rounding. A row in which anything was infinite or NaN bounds nothing: its constant is −∞.
#pragma once

#include <vector>

#include "unrect/network/network.hpp"
#include "unrect/polytope/halfspaces.hpp"
#include "unrect/verify/internal/affine_node.hpp"

namespace unrect {

/// A half of the inputs by one number: sign · (z − at) ≥ 0 for z the unit-th input of a piecewise-linear node.
struct Side {
  int node = 0;
  Index unit = 0;
  double at = 0;
  int sign = 1;
};

/// Affine functions of the input, row r: slopes_r · x + constants_r.
struct AffineBounds {
  Matrix slopes;
  Vector constants;
};

/// Shares nothing with the searches: it is the judge of what they claim.
class Referee {
 public:
  /// Bounds every node over the whole domain, O(units · weights). @throws Error kUnsupported where values over the
  /// domain may overflow.
  Referee(const Network& network, const Box& domain);

  /// Of every node's value, over some part of the domain.
  struct Ranges {
    std::vector<Vector> low, high;
  };
  /// Takes up the inputs of the box that are on all of these sides; false if there are none. `outer` are ranges of a
  /// part that holds it. O(undecided units · weights).
  bool enter(const Box& box, const std::vector<Side>& sides, const Ranges& outer);
  /// The same with the outer part's ranges but for the sides: O(units).
  bool enter_within(const Box& box, const std::vector<Side>& sides, const Ranges& outer);
  const Ranges& ranges() const { return ranges_; }

  /// What an unsafe input x of what was entered makes ≤ 0: each row of G y − h, of the domain's rows A x − b, and
  /// −sign (z − at) of each side.
  struct Claims {
    const Halfspaces& outputs;
    const Halfspaces& inputs;
  };
  Index size(const Claims& claims) const {
    return claims.outputs.size() + claims.inputs.size() + static_cast<Index>(sides_.size());
  }
  /// Minorants, all over what was entered, of sums of claims: row r has weights_r ≥ 0 of size(claims). O(rows ·
  /// weights of the network).
  AffineBounds minorants(const Claims& claims, const MatrixRef& weights);
  /// A lower bound of row r over a box.
  static double least(const AffineBounds& bounds, Index row, const Box& box);

 private:
  struct Affine : AffineNode {
    Matrix size;       // |W|
    Vector magnitude;  // Σ_j |W_ij| m_j + |b_i|
    double tiny = 0;   // what products that underflow can do to one row
    // Products with matrices between the input and the value, if nothing else reads a number twice: up to one, its
    // range by intervals is exact.
    int products = 0;
  };
  struct Lines {
    Vector low_slope, low_offset, high_slope, high_offset;
  };
  struct Rows {
    std::vector<Matrix> coefficients;  // by node, rows × size; empty: none
    Vector constant, charge;

    Matrix& of(int node, Index size) {
      Matrix& c = coefficients[static_cast<std::size_t>(node)];
      if (c.size() == 0) c.setZero(constant.size(), size);
      return c;
    }
  };

  Rows rows(Index count) const;
  void descend(int from, Rows& rows) const;
  void through_affine(int v, const Matrix& a, Rows& rows) const;
  void through_units(int v, const Matrix& a, Rows& rows) const;
  void through_maxima(int v, const Matrix& a, Rows& rows) const;
  AffineBounds at_input(Rows& rows) const;
  bool forward(int v, const Ranges* outer);
  bool draw_lines(int v);
  void sharpen(int v);
  void set_rate(Index claims);
  void set_magnitude(int v);
  bool undecided(int v, Index unit) const;

  Network network_;
  std::vector<Affine> affine_;
  std::vector<Vector> magnitude_;  // of each node's value, over the whole domain
  Ranges ranges_;                  // over what was entered
  std::vector<Lines> lines_;       // of the piecewise-linear nodes
  std::vector<Side> sides_;
  Box box_;
  Index terms_ = 0;  // N but for sides and claims
  double rate_ = 0;  // γ_N
};

}  // namespace unrect
