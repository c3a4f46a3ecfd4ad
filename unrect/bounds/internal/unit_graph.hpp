// A network of units with two pieces each, as searches over patterns walk it.
#pragma once

#include <vector>

#include "unrect/bounds/internal/norm_range.hpp"
#include "unrect/bounds/internal/shor_bound.hpp"
#include "unrect/forms/domain.hpp"
#include "unrect/forms/stages.hpp"

namespace unrect {

/// Pieces of all units, layer after layer (Stages::first_unit): 0, 1, or kEither.
using Pattern = std::vector<signed char>;
inline constexpr signed char kEither = -1;

/// Orthonormal directions of a domain, n_0 × k: the axes themselves where they are inputs.
struct Directions {
  Matrix matrix;
  double error = 0;  // |‖matrix u‖₂² − ‖u‖₂²| ≤ error ‖u‖₂²; 0: exactly as long, in every norm
  double moved = 0;  // the columns are so far from combinations of the axes
};
/// One direction an input for all of space.
Directions directions_of(const Domain& domain);

class UnitGraph {
 public:
  struct Unit {
    int stage = 0;
    Index row = 0;
    double at = 0;                // its break
    double below = 0, above = 1;  // slopes,
    double low_offset = 0, high_offset = 0;
    bool bends() const { return below != above; }
  };

  /// @throws Error kUnsupported for a maximum, or a unit with more than two pieces. `outputs`: rows to take of y,
  /// the first less the second where it is a margin; empty: all.
  UnitGraph(const Stages& stages, Directions directions, const std::vector<Index>& margin);

  Index units() const { return static_cast<Index>(units_.size()); }
  const Unit& unit(Index i) const { return units_[static_cast<std::size_t>(i)]; }
  const Directions& directions() const { return directions_; }
  const Stages& stages() const { return *stages_; }
  /// Every unit on either piece, but for those that do not bend.
  Pattern open_pattern() const;
  /// The first stage with a unit on either piece; −1: none.
  int first_open_stage(const Pattern& pattern) const;

  /// The slopes as a program: units on either piece that the output depends on, in the network's order.
  struct Program {
    UnitProgram program;
    std::vector<Index> units;  // of each row
    Vector unit_error;         // a 2-norm of what each row is off by
    double output_error = 0;   // of each row
  };
  void slopes(const Pattern& pattern, Program& out);
  /// A pattern without a unit on either piece that the output depends on: its affine map over the directions.
  static MatrixRange map_of(const Program& program);
  /// The map over all patterns, by intervals.
  static MatrixRange range_of(const Program& program);
  /// For a start of the relaxation: the weights of what each unit of the program goes on to.
  Vector weights_of(const Program& program) const;

  /// One forward pass over homogeneous parameters (k + 1: t, and what 1 is): every unit's piece there, in double.
  /// `axes`: n_0 × (k + 1), what the parameters mean.
  Pattern pattern_at(const Matrix& axes, const VectorRef& point) const;

 private:
  friend class PatternCone;
  struct Source {
    int stage = 0;
    Eigen::MatrixXd weight;  // size × units of the source
  };

  const Stages* stages_;
  Directions directions_;
  std::vector<std::vector<Source>> sources_;  // by stage
  std::vector<Vector> bias_, bias_error_;     // by stage
  std::vector<Unit> units_;
  std::vector<Index> first_unit_;         // by stage; −1: affine
  std::vector<double> norm_, row_error_;  // by stage: bounds of ‖a‖_F of any pattern, and of what a row is off by
  std::vector<double> weight_;            // by stage
  std::vector<Eigen::MatrixXd> value_;    // by stage: a over (u, v)
  std::vector<Index> column_;
};

}  // namespace unrect
