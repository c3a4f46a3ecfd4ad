// The forms of single units in exact arithmetic: the judge behind the sign filter.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "unrect/forms/domain.hpp"
#include "unrect/forms/hyperplane.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/polytope/exact.hpp"

namespace unrect {

/// A point of rationals.
class ExactPoint {
 private:
  friend class ExactForms;
  struct Numbers;
  std::shared_ptr<const Numbers> numbers_;
};

/// Doubles are dyadic rationals, so every form of a network is one: computed here without rounding, unit by unit, on
/// demand; rows are kept while the pieces of the stages before stay the same. Not thread-safe: one object a worker.
class ExactForms {
 public:
  /// In more dimensions callers should not ask for a point inside: a rational program of that size takes too long.
  static constexpr Index kMostDimensionsOfAPoint = 32;

  ExactForms(const Stages& stages, const Domain& domain);
  ExactForms(const Stages&&, const Domain&) = delete;  // both are kept by reference: temporaries would be gone
  ExactForms(const Stages&, const Domain&&) = delete;
  ~ExactForms();
  ExactForms(const ExactForms&) = delete;
  ExactForms& operator=(const ExactForms&) = delete;

  /// Sign of `form` (the function that is zero on that wall) at the point where the k walls in `at`, or more, meet.
  /// pieces: the flat configuration so far. @throws Error kInvalidArgument if the walls meet in more than one point.
  int sign_at(const Hyperplane& form, std::span<const Hyperplane> at, std::span<const std::uint16_t> pieces);

  /// Whether two flat configurations have the same map from t to the network's output. O(the network's weights)
  /// products.
  bool same_map(std::span<const std::uint16_t> one, std::span<const std::uint16_t> other);

  /// Whether sign · form is positive somewhere on the domain's box cut by `sides`, a set with a point in it. (If the
  /// set has an interior, the form is then positive on a part of that, too.) For a side of the box as `form`: on the
  /// box without that side.
  bool positive_over(const Hyperplane& form, int sign, std::span<const WallSide> sides,
                     std::span<const std::uint16_t> pieces);

  /// The point where the walls in `at` meet, rounded to doubles. @throws as sign_at.
  Vector point_at(std::span<const Hyperplane> at, std::span<const std::uint16_t> pieces);

  /// The function that is zero on a wall, in whole numbers: its k coefficients and its constant times 2^exponent.
  WholeMultiple form_of(const Hyperplane& wall, std::span<const std::uint16_t> pieces);

  /// Sign of `form` at a point of doubles.
  int sign_of(const Hyperplane& form, const VectorRef& t, std::span<const std::uint16_t> pieces);
  int sign_of(const Hyperplane& form, const ExactPoint& t, std::span<const std::uint16_t> pieces);

  /// Whether `form` has one value all over the domain: it is no boundary then, even where that value is 0.
  bool is_constant(const Hyperplane& form, std::span<const std::uint16_t> pieces);

  /// Whether t is strictly inside the domain's box and all sides; those with a constant form are left out.
  bool is_inside(const VectorRef& t, std::span<const WallSide> sides, std::span<const std::uint16_t> pieces);

  /// The point that is farthest from its nearest wall, all normals taken as of a length within 1 to 2. Nothing if there
  /// is no interior. Sides with a constant form are left out. A rational program of k + 1 rows and a column a side.
  std::optional<ExactPoint> deepest_point(std::span<const WallSide> sides, std::span<const std::uint16_t> pieces);

  /// A point of doubles that is_inside(): the deepest one, rounded, or a neighbour of it. Nothing if none of these is.
  std::optional<Vector> point_inside(std::span<const WallSide> sides, std::span<const std::uint16_t> pieces);

  /// How often an answer was asked for.
  std::uint64_t asked() const { return asked_; }

 private:
  struct Cache;
  std::uint64_t asked_ = 0;
  std::unique_ptr<Cache> cache_;
};

}  // namespace unrect
