// Which rows of a cell cannot be left out?
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
#include "unrect/polytope/exact.hpp"
#include "unrect/polytope/halfspaces.hpp"

namespace unrect {

/// One facet of a cell.
struct Facet {
  std::vector<Index> rows;  // rows that coincide on it, ascending; the first represents it
  Vector witness;           // a point of the facet with all other rows slack
};

struct FacetOptions {
  std::optional<Box> box;  // also bounds the cell
  bool box_faces = false;  // row m + j is x_j ≤ upper_j, m + n + j is −x_j ≤ −lower_j
  double coincide = 1e-12;
  /// Row i of the cell as (a_i, −b_i) in whole numbers, where the doubles are roundings of it: what is within rounding
  /// is then decided about these.
  std::function<WholeRow(Index)> exact_row;
  // Of each exact decision (farkas_alternative); rows that it does not suffice for go to `undecided`.
  std::int64_t effort = kNoLimit;
  std::vector<Index>* undecided = nullptr;
  const Context* context = nullptr;  // progress in rows

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.box_faces, {"box_faces", "report the box's own facets, too"});
    field(o.coincide,
          {"coincide", "rows are one facet if unit normals and distances from the interior point agree to this",
           at_least(0)});
    field(o.effort, {"effort", "work for each exact decision", at_least(0), "no limit"});
  }
};

/// The facets of {A x ≤ b} (∩ box), by first row. Bounded or not; weakly redundant rows (touching at a vertex or an
/// edge) and zero rows are no facets. Rays from the interior point find most facets, a bounding box drops rows out of
/// reach, linear programs over the facets so far decide the others (Clarkson 1994), and what is within rounding is
/// decided exactly (farkas_alternative).
/// @throws Error kInvalidArgument unless interior_point is strictly inside, kCancelled if the context's progress says
/// so.
std::vector<Facet> facets(const Halfspaces& cell, const VectorRef& interior_point, const FacetOptions& options = {});

}  // namespace unrect
