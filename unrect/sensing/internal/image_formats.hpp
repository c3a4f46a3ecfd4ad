// The readers behind parse_image. Not installed.
#pragma once

#include "unrect/sensing/image.hpp"

namespace unrect {

Image parse_png(std::string_view bytes, std::string_view name);
Image parse_jpeg(std::string_view bytes, std::string_view name);
Image parse_pgm(std::string_view bytes, std::string_view name);

/// @throws Error kFormat unless there are 1 … kMostPixels pixels.
void require_size(Index height, Index width, std::string_view name);

}  // namespace unrect
