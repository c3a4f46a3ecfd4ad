// The partition of a plane as polygons, layer by layer: what pictures and the explorer page are made of.
#pragma once

#include <string>
#include <vector>

#include "unrect/partition/refine.hpp"
#include "unrect/view/explorer.hpp"
#include "unrect/view/figure.hpp"

namespace unrect::cli {

/// Polygons of C_1, …, C_L with what can be said about each of the last.
struct PlanePartition {
  std::vector<ExplorerLayer> layers;
  std::vector<float> active;     // units above their lowest break
  std::vector<float> cut_layer;  // the deepest layer among the walls around it; −1 for none
  std::vector<float> lipschitz;  // ‖A‖₂ of the map over t
  std::vector<float> maps;       // regions × outputs × 3
  Index outputs = 0;
  Box box;
};

/// @throws Error kInvalidArgument unless the domain has two dimensions; or for more than `limit` regions.
PlanePartition plane_partition(const Network& network, const Domain& domain, std::uint64_t limit);

/// The values by which polygons of the last layer are coloured: "active", "layer", "lipschitz" (log₁₀), "output" (that
/// number's value at the region's centre). @throws Error for another word.
std::vector<float> color_values(const PlanePartition& partition, const std::string& by, Index output);

struct PictureText {
  std::string title, x, y;
};

/// The partition after `layer` (from 0), coloured by values of the last layer's polygons: a coarser polygon has its
/// children's mean.
Figure partition_figure(const PlanePartition& partition, std::size_t layer, const std::vector<float>& values,
                        const std::string& by, const PictureText& text);

/// Draws where the largest output changes.
void add_decision_boundary(Figure& figure, const Network& network, const Domain& domain);

Explorer explorer_of(const PlanePartition& partition, const PictureText& text, std::vector<std::string> notes);

}  // namespace unrect::cli
