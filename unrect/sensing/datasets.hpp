// Images without any download: drawn digits and scenes that occlude one another, and crops of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/sensing/image.hpp"
#include "unrect/sensing/measurement.hpp"
#include "unrect/train/samples.hpp"

namespace unrect {

/// Digits of 28 × 28 pixels, white ink on black, one a row.
struct DigitSet {
  static constexpr Index kSide = 28;

  MatrixOf<float> images;            // count × 784, in [0, 1]
  std::vector<std::int64_t> labels;  // 0 … 9
};

/// Pen strokes under a random affine map (rotation, shear, size, shift) and a random smooth displacement, with a pen of
/// random width. Digit i depends on the seed and i alone. @throws Error kInvalidArgument for count < 1.
DigitSet draw_digits(Index count, std::uint64_t seed);

/// Opaque discs over one another until nothing is left uncovered, radii with density ~ r⁻³ from two pixels to half the
/// longer side, greys the mean of two uniform ones: edges, occlusion, flat parts, and a power spectrum ~ f^−2.5, as
/// natural images have (Lee, Mumford, Huang 2001; their steepness differs, 2.4 in the mean of BSD500's). Smaller discs
/// would cover most of it with noise. Drawn at twice the resolution and averaged. @throws Error kInvalidArgument for an
/// empty image.
Image dead_leaves(Index height, Index width, Rng rng);

/// Stands for generated images where a folder of images is expected.
inline constexpr std::string_view kLeavesName = "leaves";
/// The images of a folder, or for "leaves" so many dead leaves of 180 × 180. @throws Error as read_images.
std::vector<NamedImage> images_of(const std::string& data, const Rng& rng, int count = 60);

/// One of the square's eight symmetries: a transpose if which & 4, then rows reversed if & 1, columns if & 2.
/// @throws Error kInvalidArgument unless 0 ≤ which < 8.
Image symmetry(const MatrixRef& image, int which);

/// A random part of a random image under a random symmetry; images smaller than a crop are never chosen.
class Crops {
 public:
  /// @throws Error kInvalidArgument unless some image holds a crop, and for side < 1.
  Crops(std::vector<Image> images, Index side);
  Image draw(Rng& rng) const;
  Index side() const { return side_; }

 private:
  std::vector<Image> images_;
  Index side_;
};

/// Crops and their measurements block by block, as recovery networks are trained on: a row each. Where blocks reach
/// beyond a crop, networks learn what an image's edge is.
Samples measured_crops(const Crops& crops, const Sampling& sampling, Index count, Rng rng, double noise = 0);

/// `count` crops of patch × patch pixels, one a row, their means taken away. @throws Error kInvalidArgument as Crops,
/// and for count < 1.
Matrix random_patches(std::vector<Image> images, Index patch, Index count, Rng rng);

}  // namespace unrect
