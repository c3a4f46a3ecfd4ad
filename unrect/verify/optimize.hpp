// How large, how small can a sum of outputs be over a domain?
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
#include "unrect/network/network.hpp"
#include "unrect/verify/interval.hpp"
#include "unrect/verify/objective.hpp"
#include "unrect/verify/vnnlib.hpp"

namespace unrect {

/// {x ∈ box : rows hold}.
struct InputSet {
  Box box;
  Halfspaces rows;
};
/// The inputs that a property is about; what it says of outputs is left aside.
std::vector<InputSet> input_sets(const Property& property);

struct OptimizeOptions {
  /// How wide the interval may stay. Unless given: 10⁻⁶ of |lower|, but 10⁻¹¹ of Σ_i |direction_i| m_i at least, where
  /// m_i is a bound on the terms that output i is a sum of. Never less than 10⁻¹² of that sum, which is what rounding
  /// leaves.
  std::optional<double> gap;
  double time_limit = 0;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.gap, {"gap", "how wide the interval may stay", at_least(0), "1e-6 of the value"});
    field(o.time_limit, {"time_limit", "seconds after which to give up; 0: never", between(0, 1e9)});
  }
};

/// lower ≤ the largest value ≤ upper over all inputs of the domain, both proved about the network as a function of real
/// numbers: one is attained at `point`, in exact arithmetic rounded outward, the other is a bound with every rounding
/// paid for.
struct OptimizeResult {
  IntervalStatus status = IntervalStatus::kUnknown;
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  Vector point;  // in the domain, exactly; empty if none was found, and that end of the interval infinite
  std::uint64_t nodes = 0;
  double seconds = 0;
  std::string reason;  // of kUnknown
};

/// Over the union of `domain`'s sets. Give it the network as its file has it: read without folding.
/// @throws Error kInvalidArgument for sizes that disagree, a gap below 0.
OptimizeResult maximize(const Network& network, const Objective& objective, const std::vector<InputSet>& domain,
                        const OptimizeOptions& options = {}, const Context& context = {});
/// The smallest value: `point` attains upper.
OptimizeResult minimize(const Network& network, const Objective& objective, const std::vector<InputSet>& domain,
                        const OptimizeOptions& options = {}, const Context& context = {});

}  // namespace unrect
