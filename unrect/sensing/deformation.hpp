// Pictures bent a little, as other hands would have written them: more to learn from than was collected.
#pragma once

#include "unrect/base/options.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/base/types.hpp"

namespace unrect {

/// How far pictures are bent. A pixel q of the new picture is taken from p = c + (I + E)(q − c) + u(q): c the ink's
/// centre of mass, E four numbers ~ N(0, affine²), u a cubic spline through random displacements ~ N(0, elastic²) on a
/// coarse lattice, shifted so that the ink's centre stays where it was.
struct Deformation {
  double affine = 0.05;
  double elastic = 0.5;
  Index lattice = 6;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.affine, {"affine", "spread of E's entries", at_least(0)});
    field(o.elastic, {"elastic", "spread of u, in pixels", at_least(0)});
    field(o.lattice, {"lattice", "displacements a side", at_least(4)});
  }
};

/// Every row, a picture of height × width pixels ≥ 0 (0: no ink), bent by random numbers of its own (rng.split(row)):
/// cubic convolution, clipped to what the picture has, no ink beyond its edges. 20 µs for 28 × 28 pixels.
/// @throws Error kInvalidArgument for rows of another size, a negative strength, a lattice below 4.
MatrixOf<float> deformed(const MatrixOf<float>& pictures, Index height, Index width, const Deformation& how, Rng rng);

}  // namespace unrect
