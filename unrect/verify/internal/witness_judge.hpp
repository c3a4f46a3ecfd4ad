// Whether a candidate is a witness, and in which arithmetic.
#pragma once

#include <optional>

#include "unrect/network/evaluate.hpp"
#include "unrect/verify/internal/exact_pass.hpp"
#include "unrect/verify/internal/query.hpp"
#include "unrect/verify/witness.hpp"

namespace unrect {

/// Judges candidates, which may come from anywhere.
class WitnessJudge {
 public:
  /// All have to outlive it.
  WitnessJudge(const Network& network, const Stages& stages);

  /// The candidate moved to the nearest float32 point of the box: what it is worth. Nothing unless it is real.
  std::optional<Witness> judge(const Query& query, const VectorRef& candidate) const;
  /// An input of the box as it is.
  std::optional<Witness> judge_as_it_is(const Query& query, Vector input) const;

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
