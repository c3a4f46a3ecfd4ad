// A page to walk around in: how a network cuts a plane, layer by layer, with the numbers of every polygon.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "unrect/view/raster.hpp"

namespace unrect {

/// The partition after one layer. Polygons are convex, their corners counter-clockwise, without holes between them.
struct ExplorerLayer {
  Index units = 0;                        // of this layer
  std::vector<double> vertices{};         // x, y of each corner, polygon after polygon
  std::vector<std::uint32_t> starts{};    // first corner of each polygon, then the number of corners: polygons + 1
  std::vector<std::int32_t> edge_unit{};  // of the edge that leaves each corner: the unit that made it, counted through
                                          // the layers up to this one; −1: the domain's border
  std::vector<std::uint32_t> parent{};    // polygon of the layer before that holds each; empty in the first layer
  std::vector<std::uint8_t> pieces{};     // polygons × units: the piece each unit is on (a ReLU's: 1 active, 0 not)
};

/// A number for every polygon of the last layer, to colour by. NaN: not known, drawn grey.
struct ExplorerColumn {
  std::string name;
  std::vector<float> values;
  std::vector<std::string> categories{};  // when given, values are places in this list
};

struct Explorer {
  std::string title{};
  std::vector<std::string> notes{};  // lines under the title
  Range x{}, y{};                    // the rectangle that holds the domain
  std::string x_name = "x", y_name = "y";
  bool equal = true;                    // a unit is as long on both axes
  std::vector<ExplorerLayer> layers{};  // coarsest first; the last one is the whole partition
  std::vector<ExplorerColumn> columns{};
  std::vector<std::string> outputs{};  // names of what `maps` gives
  std::vector<float> maps{};  // polygons of the last layer × outputs × 3: a, b, c of a·x + b·y + c; or empty
};

/// The page as one HTML file that fetches nothing: pan and zoom, a slider over the layers, colours by column, output or
/// active units, and for each polygon its configuration, map and edges. Corners stand on a grid of 2³¹ steps a side of
/// the rectangle: neighbours that agree to rounding share theirs, and a zoom of 10⁵ is still sharp. Equal arguments
/// give equal bytes. Polygons that follow each other should be neighbours, as a depth-first refinement gives them: what
/// is stored and skipped goes by runs of them. A polygon takes about 25 bytes of the page, a column up to 5, an
/// output's map 16, and a few µs to write; pages of some ten million polygons are too much for browsers.
/// @throws Error kInvalidArgument for sizes that disagree, corners outside the rectangle, numbers out of range.
std::string explorer_page(const Explorer& explorer);

}  // namespace unrect
