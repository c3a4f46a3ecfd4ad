// Convex cells as inequalities, and boxes.
#pragma once

#include "unrect/base/types.hpp"

namespace unrect {

/// {x : lower ≤ x ≤ upper}.
struct Box {
  Vector lower;
  Vector upper;

  Box() = default;
  /// @throws Error kInvalidArgument unless sizes agree, entries are finite and lower ≤ upper.
  Box(Vector lower_corner, Vector upper_corner);

  Index dimension() const { return lower.size(); }
  Vector center() const { return 0.5 * (lower + upper); }
  bool contains(const VectorRef& x, double tolerance = 0) const;
};

/// {x : normals x ≤ offsets}, m × n and m: one row a_i·x ≤ b_i per inequality. Rows need not be normalised; a zero row
/// with b_i ≥ 0 bounds nothing, with b_i < 0 it empties the set.
struct Halfspaces {
  Matrix normals;
  Vector offsets;

  Halfspaces() = default;
  /// @throws Error kInvalidArgument unless sizes agree and entries are finite.
  Halfspaces(Matrix rows, Vector bounds);
  /// The box's 2n rows: x ≤ upper first, then −x ≤ −lower.
  explicit Halfspaces(const Box& box);

  Index size() const { return normals.rows(); }
  Index dimension() const { return normals.cols(); }
  /// b − A x, m.
  Vector slacks(const VectorRef& x) const;
  /// Whether no row is missed by more than tolerance · ‖a_i‖, that is by more than this distance.
  bool contains(const VectorRef& x, double tolerance = 0) const;
};

/// Euclidean lengths of a matrix' rows, m: without over- or underflow of the squares.
Vector row_norms(const MatrixRef& rows);

/// The same set in rows of a largest entry in [1, 2), by powers of two: no length of theirs over- or underflows, and
/// nothing is rounded but what is below 2⁻¹⁰²² of its row. Offsets end at the largest double. Zero rows stay as they
/// are.
Halfspaces scaled_rows(Halfspaces set);

/// Both sets of rows, the first one's first. @throws Error kInvalidArgument for different dimensions.
Halfspaces intersect(const Halfspaces& first, const Halfspaces& second);

}  // namespace unrect
