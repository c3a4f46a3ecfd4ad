// Whether inequalities in rationals have a point strictly inside, and if not, which of them are in the way.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "unrect/forms/internal/rational_terms.hpp"

namespace unrect::hull {

/// a·s ≤ b, over parameters in their order of place.
struct Row {
  Terms terms;
  Rational bound;
  Band* band = nullptr;  // where it is from
  bool upper = true;
};

/// Whether a point that floating-point numbers find is strictly inside. If not, there may be one all the same, and the
/// rows that seem to be in the way come first. intervals: of each parameter.
bool has_interior(std::vector<Row>& rows, const std::vector<std::pair<Rational, Rational>>& intervals);

/// max r ≤ 1 over a_i·s + r ≤ b_i, with s there and multipliers: min y·b over Σ y_i (a_i, 1) = (0, 1), y ≥ 0, by the
/// primal simplex method with Bland's rule in rationals. The earlier a row, the sooner it is taken.
class LargestMargin {
 public:
  /// Over n parameters. The rows must outlive this.
  LargestMargin(const std::vector<Row>& rows, Index n);

  const Rational& margin() const { return point_.back(); }
  /// The rows with positive multipliers.
  std::vector<std::size_t> support() const;

 private:
  // Unit columns hold the place of what the rows do not span; they weigh nothing and leave as soon as they can.
  static constexpr std::size_t kUnit = ~std::size_t{0};

  void find_point();
  bool holds(const Row& row) const;
  void let_in(std::size_t row);

  const Rational cap_ = 1;
  const std::vector<Row>& rows_;
  std::size_t n_;
  std::vector<std::size_t> members_;
  std::vector<Rational> weights_, point_, w_;
  std::vector<std::vector<Rational>> inverse_;
};

}  // namespace unrect::hull
