// How far is it from an input to the nearest one of another class?
#pragma once

#include <limits>
#include <optional>
#include <string>

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
#include "unrect/network/network.hpp"
#include "unrect/network/norms.hpp"
#include "unrect/polytope/halfspaces.hpp"
#include "unrect/verify/interval.hpp"
#include "unrect/verify/witness.hpp"

namespace unrect {

struct RadiusOptions {
  Norm norm = Norm::kInfinity;
  std::optional<Index> label;
  std::optional<Box> within;  // only inputs of this box count: pixels of 0 … 1
  std::optional<double> gap;
  double time_limit = 0;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.label, {"label", "the class to keep", at_least(0), "the one of the largest output"});
    field(o.gap, {"gap", "how wide the interval may stay", at_least(0), "1e-3 of the radius"});
    field(o.time_limit, {"time_limit", "seconds after which to give up; 0: never", between(0, 1e9)});
  }
};

/// lower ≤ r ≤ upper for r = the distance to the nearest input at which another output is at least as large.
struct RadiusResult {
  IntervalStatus status = IntervalStatus::kUnknown;
  /// Proved: closer than this, and at it, the output `label` is larger than every other one, in real numbers.
  double lower = 0;
  double upper = std::numeric_limits<double>::infinity();  // rounded up; ∞: no such input was found
  Index label = 0;
  Index other = -1;  // an output that is as large at `adversarial`
  /// The input at `upper`, replayed in exact arithmetic; the class in float32 is its `float32`.
  std::optional<Witness> adversarial;
  std::uint64_t nodes = 0;
  double seconds = 0;
  std::string reason;  // of kUnknown, of a radius of 0, and of one without end
};

/// The class's ball around x. Where x itself is of another class, or two outputs tie, the radius is 0. If all of
/// `within` is proved to be of the class, lower is the distance to its farthest corner and upper infinite.
/// @throws Error kInvalidArgument for sizes that disagree, fewer than two outputs, x outside of `within`.
RadiusResult radius(const Network& network, const VectorRef& x, const RadiusOptions& options = {},
                    const Context& context = {});

}  // namespace unrect
