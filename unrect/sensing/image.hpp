// Grey images: matrices of values in [0, 1], the top row first.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

using Image = Matrix;

/// No reader takes an image of more pixels.
inline constexpr Index kMostPixels = Index{1} << 26;

/// PNG (1 to 16 bits, grey, colour, palette, interlaced), JPEG, PGM (P2, P5), told by their first bytes. Colour becomes
/// luma Y' = 0.299 R' + 0.587 G' + 0.114 B' (ITU-R BT.601) of the values as they are stored; transparency lets white
/// through. Memory is bounded by what the bytes can hold (PNG, PGM) and by kMostPixels.
/// @throws Error kFormat, naming `name`, for damaged, truncated and other files.
Image parse_image(std::string_view bytes, std::string_view name);
/// @throws Error kFile, kFormat.
Image read_image(const std::filesystem::path& path);

/// PNG of 8 bits: values are clipped to [0, 1] and rounded. @throws Error kInvalidArgument for an empty image, one with
/// NaN, or one over kMostPixels.
std::string format_png(const MatrixRef& image);
/// @throws Error as format_png, kFile.
void write_png(const std::filesystem::path& path, const MatrixRef& image);

struct NamedImage {
  std::string name;  // the file's name without its extension; with it if two share the stem
  Image image;
};

/// The files of a folder that end in .png, .jpg, .jpeg or .pgm (or in capitals), sorted by name.
/// @throws Error kFile, naming the folder, where there is none.
std::vector<std::filesystem::path> image_files(const std::filesystem::path& folder);
std::vector<NamedImage> read_images(const std::filesystem::path& folder);

}  // namespace unrect
