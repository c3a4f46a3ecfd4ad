// What is true of a region whatever the rounding: its inequalities are the network's own numbers, as rationals.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/region/region.hpp"

namespace unrect {

/// The rows of a region's polytope (Region::offsets_and_walls' order) over a box of inputs, without rounding, on
/// demand. Inputs of zero width are held fixed: rows are about the others, the domain's parameters. Not thread-safe.
class ExactRegion {
 public:
  /// @throws Error kInvalidArgument for a box of another dimension or with every input fixed.
  ExactRegion(const Region& region, const std::optional<Box>& box);
  ~ExactRegion();
  ExactRegion(const ExactRegion&) = delete;
  ExactRegion& operator=(const ExactRegion&) = delete;

  const Domain& domain() const { return domain_; }
  Index size() const { return static_cast<Index>(walls_.size()); }

  /// (a_i, −b_i) times 2^exponent: a_i·t ≤ b_i over the parameters. Cost of the first of a layer: exact forms of the
  /// layers before.
  const WholeMultiple& row(Index i);
  /// Row i rounded to doubles, each off by less than its last bit: normal, then offset b_i, both times one power of two
  /// where they would overflow.
  Vector rounded_row(Index i);

  /// What holds of a row without a normal, which is no boundary: the unit's value has one sign to its break everywhere.
  enum class Constant {
    kNone,      // the row has a normal
    kHolds,     // the unit is on its piece: beyond the break, or on it where that is the piece's own side (maths 1.2)
    kTied,      // on the break everywhere, and by that convention on the other piece
    kExcludes,  // on the other side of it
  };
  Constant constant(Index i);

  /// Rows of the first layer in which x (all inputs) is not strictly inside, but for those that hold as constants; none
  /// if the network's configuration all around x is the region's. Error-bounded doubles, exact where they cannot tell.
  std::vector<Index> missed(const VectorRef& x);

  /// A radius of at most `most` around parameters t that are strictly inside: every row holds on that ball, whatever
  /// the rounding of `rows`, the region's over the parameters (a row that row() was asked for is not read). Error
  /// bounds, exact rows where these would cost a thousandth.
  double clearance(const VectorRef& t, const Halfspaces& rows, double most);

  /// Whether a_i·u < 0 for every row with a normal: from any point inside, u leads ever deeper. Over all inputs, none
  /// of them fixed. Error-bounded doubles, exact where they cannot tell.
  bool recedes(const VectorRef& u);

  /// About how many products all rows cost.
  double cost() const;

 private:
  struct Place {
    Hyperplane plane;
    int sign = 1;        // sign · plane's function ≤ 0
    bool closed = true;  // whether 0 is on this side by convention
  };

  double exact_distance(Index i, const VectorRef& t);

  Stages stages_;
  Domain domain_;
  std::vector<Place> walls_;
  std::vector<Index> first_wall_;  // of each layer, and one past the last
  std::vector<std::uint16_t> pieces_;
  struct Known;
  std::unique_ptr<Known> known_;  // made when a row is first asked for
};

}  // namespace unrect
