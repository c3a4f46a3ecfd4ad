// Where a network is looked at: a box, a polytope in it, or a low-dimensional affine slice.
#pragma once

#include "unrect/polytope/halfspaces.hpp"

namespace unrect {

/// {origin + axes t : t in box, constraints hold}. axes: n_0 × k with independent columns; box and constraints are
/// about t, the k parameters. Everything that refines a domain works in t alone.
struct Domain {
  Vector origin;
  Matrix axes;
  Box box;
  Halfspaces constraints;  // no rows: the whole box
  /// How far, over the box, an input or a constraint (scaled to a largest coefficient in [1, 2)) is from what was asked
  /// for; 0: this is exactly that set.
  double rounding = 0;

  /// A box of inputs cut by G x ≤ h, over its affine hull (AffineHull): inputs of zero width and what equalities make
  /// of the others are no parameters. As a rule parameters are inputs themselves, in their order.
  /// @throws Error kInvalidArgument if there is no point, or one point only, naming what contradicts or the point.
  explicit Domain(const Box& inputs, const Halfspaces& rows = {});
  /// A slice. @throws Error kInvalidArgument for sizes that disagree, a box side of zero width, dependent axes.
  Domain(Vector slice_origin, Matrix slice_axes, Box parameters);

  Index dimension() const { return box.dimension(); }
  Index input_size() const { return origin.size(); }
  /// origin + axes t.
  Vector point(const VectorRef& t) const { return origin + axes * t; }

  /// Adds constraints on the inputs x, G x ≤ h. What they leave without an extent is a parameter less.
  /// @throws Error kInvalidArgument for a wrong width; as the box's constructor.
  void constrain(const Halfspaces& inputs);
};

/// The plane through three inputs, with distances as they are: a is t = (0, 0), b lies on the first axis, c above it.
/// The box holds all three and `margin` times the largest extent around them. @throws Error kInvalidArgument if they
/// lie on a line.
Domain plane_through(const VectorRef& a, const VectorRef& b, const VectorRef& c, double margin = 0.25);

}  // namespace unrect
