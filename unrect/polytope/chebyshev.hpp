// Has a cell an interior? The largest ball inside, or a proof that there is no point.
#pragma once

#include <cstdint>
#include <string_view>

#include "unrect/polytope/halfspaces.hpp"

namespace unrect {

enum class BallStatus {
  kBall,       // center and radius of a largest inscribed ball
  kUnbounded,  // there are balls of every size; center and radius of a large one
  kFlat,       // there are points but no interior: radius 0, center is one of the points, to rounding
  kEmpty,      // no point: farkas says why
};
std::string_view to_string(BallStatus status);

struct Ball {
  BallStatus status = BallStatus::kEmpty;
  Vector center;      // n
  double radius = 0;  // Euclidean
  /// kEmpty: y ≥ 0 with yᵀ A ≈ 0, yᵀ b < 0 over the rows followed by the box's 2n rows (x ≤ upper, −x ≤ −lower).
  /// kFlat: the same with yᵀ b ≈ 0: the rows with y_i > 0 leave no interior. Scaled to max y_i = 1 where it is exact.
  Vector farkas;
  /// Whether the status holds despite rounding. False only where the exact search would have taken more than its
  /// effort.
  bool settled = true;
  /// kUnbounded: a direction with a_i·u < 0 for all rows that are not zero, where there is any. n
  Vector recession;
};

/// The work that settling one question in rationals may take (farkas_alternative): about a second.
constexpr std::int64_t kExactEffort = std::int64_t{1} << 28;

/// max r subject to a_i·x + ‖a_i‖ r ≤ b_i: one DenseLp with n + 1 variables (a few, with growing artificial boxes, for
/// cells without a box). What error bounds leave open is settled in rationals, as far as `effort` (farkas_alternative)
/// goes.
/// @throws Error kInvalidArgument for a box of another dimension.
Ball chebyshev_ball(const Halfspaces& cell, std::int64_t effort = kExactEffort);
Ball chebyshev_ball(const Halfspaces& cell, const Box& box, std::int64_t effort = kExactEffort);

/// Whether y proves {A x ≤ b} empty, in rational arithmetic: yᵀ A = 0, yᵀ b < 0 as it stands, or after repair, that is
/// for some other y ≥ 0 on the same support.
/// @throws Error kInvalidArgument unless there is one multiplier ≥ 0 per row.
bool verify_farkas(const Halfspaces& rows, const VectorRef& multipliers);

}  // namespace unrect
