// A region in a plane, with its surroundings.
#pragma once

#include <string>

#include "unrect/region/slice.hpp"
#include "unrect/view/figure.hpp"

namespace unrect::cli {

/// The polygon of the region with its edges labelled layer:unit, over the number of units that have switched elsewhere
/// in the plane. @throws Error kInvalidArgument if the plane only touches the region.
Figure region_picture(const Region& region, const Plane& plane, const std::string& title, const std::string& x_label,
                      const std::string& y_label);

}  // namespace unrect::cli
