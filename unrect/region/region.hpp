// What the network does around a point: one affine map on one polytope (maths 1.3, HH eqs. 7–10).
#pragma once

#include <functional>
#include <vector>

#include "unrect/polytope/halfspaces.hpp"
#include "unrect/region/configuration.hpp"

namespace unrect {

/// x ↦ A x + c; A: n_L × n_0.
struct AffineMap {
  Matrix linear;
  Vector constant;

  Vector operator()(const VectorRef& x) const { return linear * x + constant; }
};

/// One inequality of a region's polytope: beyond it, `unit` is on piece `beyond` (for a ReLU 1 − d).
struct Wall {
  Unit unit;
  Index beyond = 0;
};

/// Q_d = {x : normals x ≤ offsets}, one wall a row, layer by layer. Rows of dead units are zero.
struct RegionPolytope {
  Halfspaces halfspaces;
  std::vector<Wall> walls;
};

/// A network with its configuration fixed, hence affine: the representation un-rectified (maths 1.2). The configuration
/// may be any, whether or not some input induces it.
class Region {
 public:
  /// @throws Error kInvalidArgument for a configuration of another network.
  Region(Network network, Configuration configuration);

  const Network& network() const { return network_; }
  const Configuration& configuration() const { return configuration_; }

  /// A_d and c_d, built from rows or columns, whichever are fewer. Cost: min(n_0, n_L) forward passes.
  AffineMap affine_map() const;

  /// A_d V for directions V: n_0 × k, without forming A_d. Cost: k forward passes.
  Matrix multiply(const MatrixRef& directions) const;
  /// A_dᵀ U for U: n_L × k, without forming A_d. Cost: k backward passes.
  Matrix multiply_transposed(const MatrixRef& cotangents) const;

  /// All of Q_d. Cost: n_0 forward passes with the inactive units left out; rows × n_0 doubles of memory.
  RegionPolytope polytope() const;

  /// The affine map and the polytope in one sweep, when both are wanted.
  std::pair<AffineMap, RegionPolytope> affine_map_and_polytope() const;

  /// Calls visit(first column, columns) with the normals of Q_d restricted to some input coordinates: rows × ≤ `block`
  /// columns at a time, so that the polytope of a large network is never held whole.
  void for_each_normal_block(Index block, const std::function<void(Index, const Matrix&)>& visit) const;
  /// The right-hand sides of Q_d and what each row stands for. Cost: one forward pass.
  std::pair<Vector, std::vector<Wall>> offsets_and_walls() const;
  /// normals · V for directions V: n_0 × k, without forming the normals. Cost: k forward passes.
  Matrix multiply_normals(const MatrixRef& directions) const;

 private:
  Network network_;
  Configuration configuration_;
};

/// The region of x. @throws as trace().
Region unrectify(const Network& network, const VectorRef& x);

}  // namespace unrect
