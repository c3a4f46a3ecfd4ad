// The Lipschitz constant itself, over all inputs or a domain: an interval that is proved, closed where the search ends.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
#include "unrect/forms/domain.hpp"
#include "unrect/network/norms.hpp"
#include "unrect/region/configuration.hpp"

namespace unrect {

struct LipschitzOptions {
  Norm from = Norm::kTwo;                           // of the inputs,
  Norm to = Norm::kTwo;                             // and of the outputs: 1→q, p→∞ and 2→2
  std::optional<std::pair<Index, Index>> margin{};  // of y_first − y_second instead of all outputs
  double gap = 1e-11;
  double time_limit = 0;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.gap, {"gap", "the share of lower by which upper may exceed it", at_least(0)});
    field(o.time_limit, {"time_limit", "seconds after which to give up; 0: never", between(0, 1e9)});
  }
};

enum class LipschitzStatus {
  kClosed,     // upper is within the gap of lower
  kTimeLimit,  // the limit came first
  kCancelled,  // the caller asked to stop
};
std::string_view to_string(LipschitzStatus status);

/// lower ≤ sup ‖M(x) − M(y)‖_to / ‖x − y‖_from ≤ upper, with every rounding paid for.
struct LipschitzResult {
  LipschitzStatus status = LipschitzStatus::kClosed;
  double lower = 0, upper = 0;
  /// The region whose affine map has a norm of at least `lower`: it has an interior in the domain, exactly.
  Configuration configuration;
  std::optional<Vector> point;  // in it; of a region too thin for doubles, none
  std::uint64_t nodes = 0;      // bounded (domain of few dimensions: cells entered)
  double seconds = 0;
};

/// max ‖A_d‖ over the regions with an interior in the domain (without one: in the space of all inputs), which for a
/// convex domain is the Lipschitz constant there; on a flat domain A_d is restricted to its directions (maths 1.6).
/// Branch and bound over the units' pieces: in up to kFewDimensions dimensions inside the partition's own recursion,
/// whose cells are left out as soon as no slope above them can be steeper; else by Shor's semidefinite relaxation of
/// d ∈ {0, 1} (for 2→2; intervals for other norms) and linear programs that tell which patterns exist.
/// The network is taken as its file has it: read it without folding, which rounds products.
/// @throws Error kUnsupported for other norms, for layers that the search cannot bound (maxima or more than two pieces,
/// beyond kFewDimensions), and for a norm other than 2→2 on a domain that is flat across the axes; kInvalidArgument for
/// a domain of another network, an output that it does not have, a gap below 0.
LipschitzResult lipschitz_constant(const Network& network, const std::optional<Domain>& domain,
                                   const LipschitzOptions& options = {}, const Context& context = {});

}  // namespace unrect
