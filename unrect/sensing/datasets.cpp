#include "unrect/sensing/datasets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/signal/dictionary.hpp"

namespace unrect {
namespace {

struct Point {
  double x = 0, y = 0;
};
Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
Point operator*(double s, Point a) { return {s * a.x, s * a.y}; }
double dot(Point a, Point b) { return a.x * b.x + a.y * b.y; }

using Stroke = std::vector<Point>;

/// In the unit square, y downwards; a smooth curve runs through a stroke's points.
const std::array<std::vector<Stroke>, 10>& strokes() {
  static const std::array<std::vector<Stroke>, 10> all{{
      {{{.5, .1}, {.26, .25}, {.2, .55}, {.32, .83}, {.5, .9}, {.7, .8}, {.8, .5}, {.72, .2}, {.5, .1}}},
      {{{.36, .28}, {.56, .1}}, {{.56, .1}, {.5, .9}}},
      {{{.22, .3}, {.35, .13}, {.6, .11}, {.74, .3}, {.6, .55}, {.2, .88}}, {{.2, .88}, {.8, .86}}},
      {{{.25, .16}, {.5, .09}, {.71, .26}, {.42, .47}}, {{.42, .47}, {.74, .6}, {.7, .83}, {.45, .92}, {.2, .82}}},
      {{{.58, .1}, {.2, .6}}, {{.2, .6}, {.82, .58}}, {{.64, .34}, {.6, .92}}},
      {{{.75, .11}, {.32, .12}},
       {{.32, .12}, {.28, .45}},
       {{.28, .45}, {.5, .4}, {.75, .6}, {.65, .85}, {.4, .92}, {.2, .82}}},
      {{{.66, .1}, {.38, .3}, {.23, .65}, {.4, .9}, {.68, .82}, {.7, .6}, {.46, .52}, {.25, .68}}},
      {{{.2, .13}, {.78, .12}}, {{.78, .12}, {.55, .5}, {.42, .92}}},
      {{{.5, .48}, {.26, .3}, {.5, .1}, {.73, .28}, {.5, .48}, {.24, .72}, {.5, .92}, {.76, .72}, {.5, .48}}},
      {{{.72, .3}, {.5, .1}, {.27, .27}, {.4, .48}, {.66, .42}, {.72, .3}, {.7, .6}, {.58, .92}}},
  }};
  return all;
}

/// Catmull and Rom's spline through the points, a few pieces each.
std::vector<Point> smooth(const Stroke& stroke) {
  constexpr int kPieces = 5;
  const auto at = [&](std::ptrdiff_t i) {
    return stroke[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(i, 0, std::ssize(stroke) - 1))];
  };
  std::vector<Point> line;
  for (std::ptrdiff_t i = 0; i + 1 < std::ssize(stroke); ++i) {
    const Point a = at(i - 1), b = at(i), c = at(i + 1), d = at(i + 2);
    for (int k = 0; k < kPieces; ++k) {
      const double t = static_cast<double>(k) / kPieces;
      line.push_back(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))));
    }
  }
  line.push_back(stroke.back());
  return line;
}

/// A random affine map of the unit square to pixels, and waves on top of it.
class Warp {
 public:
  explicit Warp(Rng& rng) {
    const double angle = rng.uniform(-0.22, 0.22), shear = rng.uniform(-0.25, 0.25);
    const double wide = rng.uniform(15, 21), high = rng.uniform(18, 22);
    const double c = std::cos(angle), s = std::sin(angle);
    // Rotation · shear · size
    across_ = {c * wide, s * wide};
    down_ = {(c * shear - s) * high, (s * shear + c) * high};
    const double middle = 0.5 * static_cast<double>(DigitSet::kSide - 1);
    centre_ = {middle + rng.uniform(-1.5, 1.5), middle + rng.uniform(-1.5, 1.5)};
    for (Wave& wave : waves_) {
      const double direction = rng.uniform(0, 2 * std::numbers::pi), length = rng.uniform(2.5, 6);
      wave = {{length * std::cos(direction), length * std::sin(direction)},
              {0.55 * rng.normal(), 0.55 * rng.normal()},
              rng.uniform(0, 2 * std::numbers::pi)};
    }
  }

  Point operator()(Point p) const {
    Point to = centre_ + (p.x - 0.5) * across_ + (p.y - 0.5) * down_;
    for (const Wave& wave : waves_) to = to + std::sin(dot(wave.frequency, p) + wave.phase) * wave.amplitude;
    return to;
  }

 private:
  struct Wave {
    Point frequency, amplitude;  // per unit square, in pixels
    double phase = 0;
  };
  Point across_, down_, centre_;
  std::array<Wave, 3> waves_;
};

/// Ink where the pen's edge, half a pixel soft on both sides, has passed.
void ink(Point a, Point b, double radius, float* image) {
  constexpr auto kLast = static_cast<double>(DigitSet::kSide - 1);
  const double reach = radius + 0.5;
  const auto low = [&](double v) { return static_cast<Index>(std::clamp(std::ceil(v - reach), 0.0, kLast + 1)); };
  const auto high = [&](double v) { return static_cast<Index>(std::clamp(std::floor(v + reach), -1.0, kLast)); };
  const Point along = b - a;
  const double square = std::max(dot(along, along), 1e-12);
  for (Index i = low(std::min(a.y, b.y)); i <= high(std::max(a.y, b.y)); ++i) {
    for (Index j = low(std::min(a.x, b.x)); j <= high(std::max(a.x, b.x)); ++j) {
      const Point p{static_cast<double>(j), static_cast<double>(i)};
      const Point off = p - a - std::clamp(dot(p - a, along) / square, 0.0, 1.0) * along;
      const double value = std::clamp(reach - std::sqrt(dot(off, off)), 0.0, 1.0);
      float& pixel = image[i * DigitSet::kSide + j];
      pixel = std::max(pixel, static_cast<float>(value));
    }
  }
}

}  // namespace

DigitSet draw_digits(Index count, std::uint64_t seed) {
  UNRECT_REQUIRE(count >= 1, ErrorCode::kInvalidArgument, "{} digits, expected at least 1", count);
  DigitSet set{MatrixOf<float>::Zero(count, DigitSet::kSide * DigitSet::kSide), {}};
  for (Index i = 0; i < count; ++i) {
    Rng rng = Rng(seed).split(static_cast<std::uint64_t>(i));
    const Index label = rng.below(10);
    const Warp warp(rng);
    const double radius = rng.uniform(0.7, 1.5);
    for (const Stroke& stroke : strokes()[static_cast<std::size_t>(label)]) {
      std::vector<Point> line = smooth(stroke);
      for (Point& p : line) p = warp(p);
      for (std::size_t k = 0; k + 1 < line.size(); ++k) ink(line[k], line[k + 1], radius, set.images.row(i).data());
    }
    set.labels.push_back(label);
  }
  return set;
}

Image dead_leaves(Index height, Index width, Rng rng) {
  UNRECT_REQUIRE(height >= 1 && width >= 1 && height <= kMostPixels / 4 / width, ErrorCode::kInvalidArgument,
                 "dead leaves on {} × {} pixels, expected 1 to {}", height, width, kMostPixels / 4);
  const Index rows = 2 * height, cols = 2 * width;
  // From the front: what is covered stays. A leaf lies on the plane, its middle perhaps beyond the edge.
  Matrix fine = Matrix::Constant(rows, cols, -1);
  const double smallest = 4, largest = 0.5 * static_cast<double>(std::max(rows, cols));
  const double few = 1 / (smallest * smallest), many = 1 / (largest * largest);
  for (Index left = fine.size(); left > 0;) {
    const double r = 1 / std::sqrt(few - rng.uniform() * (few - many));
    const double y = rng.uniform(-r, static_cast<double>(rows) + r), x = rng.uniform(-r, static_cast<double>(cols) + r);
    const double value = 0.5 * (rng.uniform() + rng.uniform());
    const Index top = std::max<Index>(0, static_cast<Index>(std::ceil(y - r)));
    const Index bottom = std::min(rows - 1, static_cast<Index>(std::floor(y + r)));
    for (Index i = top; i <= bottom; ++i) {
      const double off = static_cast<double>(i) - y, half = std::sqrt(std::max(0.0, r * r - off * off));
      const Index last = std::min(cols - 1, static_cast<Index>(std::floor(x + half)));
      for (Index j = std::max<Index>(0, static_cast<Index>(std::ceil(x - half))); j <= last; ++j) {
        if (fine(i, j) < 0) {
          fine(i, j) = value;
          --left;
        }
      }
    }
  }
  Image image(height, width);
  for (Index i = 0; i < height; ++i) {
    for (Index j = 0; j < width; ++j) image(i, j) = fine.block(2 * i, 2 * j, 2, 2).mean();
  }
  return image;
}

std::vector<NamedImage> images_of(const std::string& data, const Rng& rng, int count) {
  if (data != kLeavesName) return read_images(data);
  std::vector<NamedImage> images;
  images.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    images.push_back(
        {fmt::format("leaves {}", i + 1), dead_leaves(180, 180, rng.split(static_cast<std::uint64_t>(i)))});
  return images;
}

Image symmetry(const MatrixRef& image, int which) {
  UNRECT_REQUIRE(which >= 0 && which < 8, ErrorCode::kInvalidArgument, "symmetry {}, expected 0 to 7", which);
  Image result = (which & 4) != 0 ? Image(image.transpose()) : Image(image);
  if ((which & 1) != 0) result = result.colwise().reverse().eval();
  if ((which & 2) != 0) result = result.rowwise().reverse().eval();
  return result;
}

Crops::Crops(std::vector<Image> images, Index side) : images_(std::move(images)), side_(side) {
  UNRECT_REQUIRE(side >= 1, ErrorCode::kInvalidArgument, "crops of {}, expected at least 1", side);
  const std::size_t given = images_.size();
  std::erase_if(images_, [&](const Image& image) { return std::min(image.rows(), image.cols()) < side; });
  UNRECT_REQUIRE(!images_.empty(), ErrorCode::kInvalidArgument, "{} images, none as large as {} × {}", given, side,
                 side);
}

Image Crops::draw(Rng& rng) const {
  const Image& image = images_[static_cast<std::size_t>(rng.below(static_cast<Index>(images_.size())))];
  const Index top = rng.below(image.rows() - side_ + 1), left = rng.below(image.cols() - side_ + 1);
  return symmetry(image.block(top, left, side_, side_), static_cast<int>(rng.below(8)));
}

Samples measured_crops(const Crops& crops, const Sampling& sampling, Index count, Rng rng, double noise) {
  const Index side = crops.side(), blocks = (side + sampling.block - 1) / sampling.block;
  Samples samples{{count, blocks * blocks * sampling.measurements()}, {count, side * side}};
  for (Index i = 0; i < count; ++i) {
    const Image crop = crops.draw(rng);
    const Matrix y = measure(crop, sampling, noise, noise > 0 ? rng.next() : 0).y;
    samples.inputs.row(i) = Eigen::Map<const Matrix>(y.data(), 1, y.size()).cast<float>();
    samples.targets.row(i) = Eigen::Map<const Matrix>(crop.data(), 1, crop.size()).cast<float>();
  }
  return samples;
}

Matrix random_patches(std::vector<Image> images, Index patch, Index count, Rng rng) {
  UNRECT_REQUIRE(count >= 1, ErrorCode::kInvalidArgument, "{} patches, expected at least 1", count);
  const Crops crops(std::move(images), patch);
  Matrix patches(count, patch * patch);
  for (Index i = 0; i < count; ++i) patches.row(i) = image_patches(crops.draw(rng), patch, patch);
  return patches;
}

}  // namespace unrect
