// One question: does an input of this domain have an output in one of these polytopes?
#pragma once

#include <optional>
#include <vector>

#include "unrect/bounds/internal/relaxation.hpp"
#include "unrect/verify/vnnlib.hpp"

namespace unrect {

/// Is there an x in box ∩ ball ∩ input_rows with M(x) in one of the unsafe polytopes {y : G y ≤ h}? A node is refuted
/// if for each of them some row g·y − h has a positive minimum over the node.
struct Query {
  Box box;
  std::optional<NormBall> ball;  // bounds use it, and the attack; a witness may lie outside
  Halfspaces input_rows;
  std::vector<Halfspaces> unsafe;
  Objectives rows;           // g·y − h of all polytopes, one after another
  std::vector<Index> first;  // of polytope p: rows first[p] … first[p + 1] − 1

  explicit Query(const Property::Case& from);

  /// Of a query about one polytope of one row: {y : g·y ≤ offset} from now on, a smaller set. By how much at least g·y
  /// − h has grown.
  double raise_bar(double offset);

  Index polytopes() const { return static_cast<Index>(unsafe.size()); }
  /// Inputs that vary.
  Index dimension() const { return (box.upper.array() > box.lower.array()).count(); }
  /// max_p min_row (h − g·y): an unsafe output's is ≥ 0. In double.
  double depth(const VectorRef& y) const;
};

}  // namespace unrect
