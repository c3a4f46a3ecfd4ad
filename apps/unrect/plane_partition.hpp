// The partition of a plane as polygons, layer by layer: what pictures and the explorer page are made of.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/partition/refine.hpp"
#include "unrect/view/explorer.hpp"
#include "unrect/view/figure.hpp"

namespace unrect::cli {

/// Polygons of C_1, …, C_L with what can be said about each of the last.
struct PlanePartition {
  std::vector<ExplorerLayer> layers;
  std::vector<float> active;     // units above their lowest break
  std::vector<float> cut_layer;  // the deepest layer among the walls around it; −1 for none
  std::vector<float> lipschitz;  // ‖A‖₂ of the map over t; 0 where the map is constant
  std::vector<float> maps;       // regions × outputs × 3
  Index outputs = 0;
  Box box;
};

/// @throws Error kInvalidArgument unless the domain has two dimensions and the network a piecewise-linear layer.
void require_drawable(const Network& network, const Domain& domain);

/// @throws Error kInvalidArgument as require_drawable, or for more than `limit` regions; kCancelled once `keep_going`,
/// which is asked now and then, says no.
PlanePartition plane_partition(const Network& network, const Domain& domain, std::uint64_t limit,
                               const std::function<bool()>& keep_going = {});

/// @throws Error kInvalidArgument for an output whose values a partition does not keep: from 16 on, or not there.
void require_output(const Network& network, Index output);

/// A number for every polygon of the last layer, and what it says.
struct Coloring {
  std::vector<float> values;  // NaN: drawn apart, as `apart` says
  std::string label, apart{};
  bool whole = false;            // whole numbers
  std::optional<Range> range{};  // not given: what the values cover
};

/// Colours by "active", "layer", "lipschitz" (log₁₀; constant regions apart: their logarithm would leave all others one
/// colour), "output" (that number's value at the region's centre). @throws Error for another word.
Coloring coloring_of(const PlanePartition& partition, const std::string& by, Index output);

struct PictureText {
  std::string title, x, y;
};

/// The partition after `layer` (from 0), coloured by values of the last layer's polygons: a coarser polygon has its
/// children's mean, of those that have a value.
Figure partition_figure(const PlanePartition& partition, std::size_t layer, const Coloring& coloring,
                        const PictureText& text);

/// Draws where the largest output changes. @throws Error kCancelled as context.progress asks for.
void add_decision_boundary(Figure& figure, const Network& network, const Domain& domain, const Context& context = {});

Explorer explorer_of(const PlanePartition& partition, const PictureText& text, std::vector<std::string> notes);

}  // namespace unrect::cli
