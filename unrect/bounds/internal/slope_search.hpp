// The two searches for the steepest region, and what both are given.
#pragma once

#include <chrono>

#include "unrect/bounds/internal/norm_range.hpp"
#include "unrect/bounds/lipschitz_constant.hpp"
#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/stages.hpp"

namespace unrect {

/// All that it refers to outlives it.
struct SlopeTask {
  const Network& network;
  const Stages& stages;
  const Domain* domain;  // null: all inputs
  const LipschitzOptions& options;
  const Context& context;
  std::chrono::steady_clock::time_point begin;

  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }
  bool out_of_time() const { return options.time_limit > 0 && seconds() > options.time_limit; }
  /// Up to this a bound is as good as `lower`.
  double enough(double lower) const { return lower * (1 + options.gap); }
};

/// Best first over patterns of pieces, stage by stage. Layers of two pieces only.
LipschitzResult search_patterns(const SlopeTask& task);

/// Inside the partition's recursion. Needs a domain.
LipschitzResult search_cells(const SlopeTask& task);

/// Flat pieces (Stages::first_unit) as a configuration.
Configuration configuration_of(const Stages& stages, const std::vector<std::uint16_t>& pieces);

/// ∂y/∂t of one region (or of the margin), computed in whole numbers and rounded once. O(the network's weights)
/// products of whole numbers.
MatrixRange exact_slopes(ExactForms& forms, const SlopeTask& task, const std::vector<std::uint16_t>& pieces);

/// Tells the context's progress ten times a second; false: the caller asks to stop.
class SlopeProgress {
 public:
  explicit SlopeProgress(const Context& context) : context_(&context) {}
  bool look(std::uint64_t nodes, double lower, double upper);

 private:
  const Context* context_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace unrect
