// An input that violates a requirement, and in which arithmetic it does.
#pragma once

#include <optional>

#include "unrect/network/evaluate.hpp"
#include "unrect/verify/exact_pass.hpp"
#include "unrect/verify/query.hpp"

namespace unrect {

/// The input is inside the domain in exact arithmetic, every entry a float32 where its interval holds one.
struct Witness {
  Vector input;
  Vector output;         // of the float32 pass
  bool real = false;     // M(input), without rounding, is in the unsafe set
  bool strict = false;   // … and not on its boundary
  bool float32 = false;  // the float32 pass ends in the unsafe set: sums in the file's order, and sums that round once
  // Every entry is a float32. Where an interval holds none, the float32 pass starts from the nearest, a rounding
  // outside.
  bool representable = false;
};

/// Judges candidates, which may come from anywhere.
class WitnessJudge {
 public:
  /// All have to outlive it.
  WitnessJudge(const Network& network, const Stages& stages);

  /// The candidate moved to the nearest float32 point of the box: what it is worth. Nothing unless it is real.
  std::optional<Witness> judge(const Query& query, const VectorRef& candidate) const;

 private:
  const Network* network_;
  ExactPass exact_;
  Evaluator<float> evaluator_;
};

/// The float32 in [low, high] that is nearest to x; x moved into [low, high] where there is none.
double nearest_float(double x, double low, double high);

/// The network at one float32 point, every product and sum rounded to float32, in the order of the weights.
VectorOf<float> float_pass(const Network& network, const VectorOf<float>& x);

}  // namespace unrect
