#include "unrect/sensing/deformation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

using Picture = MatrixOf<float>;

// Values of the uniform cubic B-splines at `count` pixels: count × lattice, rows sum to 1.
Picture splines(Index count, Index lattice) {
  Picture basis = Picture::Zero(count, lattice);
  for (Index i = 0; i < count; ++i) {
    const double at = static_cast<double>((lattice - 3) * i) / static_cast<double>(std::max<Index>(1, count - 1));
    const Index first = std::min<Index>(lattice - 4, static_cast<Index>(at));
    const double t = at - static_cast<double>(first), s = 1 - t;
    const double weights[] = {s * s * s, 3 * t * t * t - 6 * t * t + 4, 3 * s * s * s - 6 * s * s + 4, t * t * t};
    for (Index k = 0; k < 4; ++k) basis(i, first + k) = static_cast<float>(weights[k] / 6);
  }
  return basis;
}

// Keys' cubic convolution, a = −1/2: weights of the pixels −1, 0, 1, 2 for a point t in [0, 1) beyond pixel 0.
std::array<float, 4> cubic(float t) {
  const float s = 1 - t;
  return {-0.5F * t * s * s, 1 + t * t * (1.5F * t - 2.5F), 1 + s * s * (1.5F * s - 2.5F), -0.5F * s * t * t};
}

VectorOf<float> numbers(Index count) { return VectorOf<float>::LinSpaced(count, 0, static_cast<float>(count - 1)); }

class Bender {
 public:
  Bender(Index height, Index width, const Deformation& how)
      : height_(height),
        width_(width),
        how_(how),
        down_(splines(height, how.lattice)),
        across_(splines(width, how.lattice)),
        framed_(Picture::Zero(height + 2 * kFrame, width + 2 * kFrame)) {}

  void bend(const float* from, float* to, Rng rng) {
    const Eigen::Map<const Picture> picture(from, height_, width_);
    framed_.block(kFrame, kFrame, height_, width_) = picture;
    const float ink = picture.sum();
    most_ = picture.maxCoeff();
    if (ink <= 0) {
      std::copy_n(from, picture.size(), to);
      return;
    }
    const float scale = static_cast<float>(how_.affine);
    const float e00 = scale * static_cast<float>(rng.normal()), e01 = scale * static_cast<float>(rng.normal());
    const float e10 = scale * static_cast<float>(rng.normal()), e11 = scale * static_cast<float>(rng.normal());
    for (Picture* const field : {&rows_, &cols_}) {
      lattice_ = static_cast<float>(how_.elastic) * rng.normal_matrix(how_.lattice, how_.lattice).cast<float>();
      half_.noalias() = down_ * lattice_;
      field->noalias() = half_ * across_.transpose();
      field->array() -= field->cwiseProduct(picture).sum() / ink;  // the ink stays where it is
    }
    const float ci = numbers(height_).dot(picture.rowwise().sum()) / ink;
    const float cj = numbers(width_).dot(picture.colwise().sum().transpose()) / ink;
    for (Index i = 0; i < height_; ++i) {
      const float di = static_cast<float>(i) - ci;
      for (Index j = 0; j < width_; ++j) {
        const float dj = static_cast<float>(j) - cj;
        *to++ = at(static_cast<float>(i) + e00 * di + e01 * dj + rows_(i, j),
                   static_cast<float>(j) + e10 * di + e11 * dj + cols_(i, j));
      }
    }
  }

 private:
  static constexpr Index kFrame = 4;  // black pixels around, so that the cubic's sixteen are there

  float at(float i, float j) const {
    // Beyond the frame all is black: so is the frame itself.
    i = std::clamp(i, -2.F, static_cast<float>(height_ + 1));
    j = std::clamp(j, -2.F, static_cast<float>(width_ + 1));
    const float low_i = std::floor(i), low_j = std::floor(j);
    const std::array<float, 4> wi = cubic(i - low_i), wj = cubic(j - low_j);
    const Index stride = framed_.cols();
    const float* row =
        framed_.data() + (static_cast<Index>(low_i) + kFrame - 1) * stride + static_cast<Index>(low_j) + kFrame - 1;
    float sum = 0;
    for (std::size_t k = 0; k < 4; ++k, row += stride)
      sum += wi[k] * (wj[0] * row[0] + wj[1] * row[1] + wj[2] * row[2] + wj[3] * row[3]);
    return std::clamp(sum, 0.F, most_);
  }

  Index height_, width_;
  Deformation how_;
  float most_ = 0;
  Picture down_, across_, framed_, lattice_, half_, rows_, cols_;
};

}  // namespace

MatrixOf<float> deformed(const MatrixOf<float>& pictures, Index height, Index width, const Deformation& how, Rng rng) {
  UNRECT_REQUIRE(height >= 1 && width >= 1 && pictures.cols() == height * width, ErrorCode::kInvalidArgument,
                 "rows of {} values; expected pictures of {} × {}", pictures.cols(), height, width);
  validate(how);
  MatrixOf<float> bent(pictures.rows(), pictures.cols());
  Bender bender(height, width, how);
  for (Index i = 0; i < pictures.rows(); ++i)
    bender.bend(pictures.row(i).data(), bent.row(i).data(), rng.split(static_cast<std::uint64_t>(i)));
  return bent;
}

}  // namespace unrect
