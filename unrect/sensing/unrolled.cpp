#include "unrect/sensing/unrolled.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/sensing/whiten.hpp"
#include "unrect/signal/blocks.hpp"

namespace unrect {
namespace {

constexpr double kImageGain = 4, kResidualGain = 10;
constexpr double kOff = 0.5;    // how far x may be off in a phase, as a part of the images' own spread
constexpr double kLeft = 0.03;  // and after the last one, in pixel values

// {out, in} of a phase's convolution.
Shape shape_of(Index channels, std::size_t phase, std::size_t k) {
  return {k + 1 < Unrolled::kKernels ? channels : 4, k > 0 ? channels : 12 + (phase > 0 ? channels : 0)};
}

// What is learned, laid out at planes of height × width.
class Phases {
 public:
  Phases(NetworkBuilder& builder, const Unrolled& unrolled, Index height, Index width)
      : b_(builder), unrolled_(unrolled), height_(height), width_(width) {}

  // From the next phase's features to what it adds to the image.
  int next(std::vector<int> features) {
    if (memory_ >= 0) features.push_back(memory_);
    int t = kernel(0, features.size() == 1 ? features[0] : b_.add(Concat{}, std::move(features), "features"));
    for (std::size_t k = 1; k + 1 < Unrolled::kKernels; k += 2) {
      const int inner = b_.add(relu(), {kernel(k, t)}, "relu");
      t = b_.add(Sum{{1.0, 1.0}}, {t, kernel(k + 1, inner)}, "shortcut");
    }
    memory_ = b_.add(relu(), {t}, "relu");
    const int change = kernel(Unrolled::kKernels - 1, memory_);
    ++phase_;
    return change;
  }
  // The nodes that are learned, so far.
  const std::vector<int>& kernels() const { return kernels_; }

 private:
  int kernel(std::size_t k, int input) {
    const Kernel& own = unrolled_.phases[phase_][k];
    Convolution conv;
    conv.window = {.channels = own.weights.cols() / 9,
                   .height = height_,
                   .width = width_,
                   .kernel_height = 3,
                   .kernel_width = 3,
                   .pad_top = 1,
                   .pad_left = 1,
                   .pad_bottom = 1,
                   .pad_right = 1};
    conv.kernel = own.weights;
    conv.bias = own.bias;
    kernels_.push_back(b_.add(std::move(conv), {input}, fmt::format("kernel_{}_{}", phase_, k)));
    return kernels_.back();
  }

  NetworkBuilder& b_;
  const Unrolled& unrolled_;
  Index height_, width_;
  std::size_t phase_ = 0;
  int memory_ = -1;
  std::vector<int> kernels_;
};

using SharedOp = std::shared_ptr<const Op>;

// Blocks that are alike, the best affine decoder for them, and the best guess at what its x̂ is still off.
struct DecodedGroup : BlockGroup {
  AffineDecoder affine;
  SharedOp guess;
};

// Lays out one network. Its image stands as z = 4(x − μ) in four planes, pixels 2 × 2 apart: what convolutions see.
class Builder {
 public:
  Builder(const Unrolled& unrolled, const Matrix& phi, Index height, Index width, double noise)
      : unrolled_(unrolled),
        mean_(unrolled.statistics.mean),
        measurements_(phi.rows()),
        block_(block_side(phi.cols())),
        height_(height),
        width_(width),
        down_((height + block_ - 1) / block_),
        across_((width + block_ - 1) / block_),
        plane_height_((down_ * block_ + 1) / 2),
        plane_width_((across_ * block_ + 1) / 2),
        transform_(whitening(phi, noise)),
        phi_(transform_.size() > 0 ? Matrix(transform_ * phi) : phi),
        noise_(whitened_noise(transform_, noise)),
        b_({down_ * across_ * measurements_}) {
    make_groups();
  }

  UnrolledNetwork build() {
    y_ = b_.add(choice(columns_of(measurements_)), {0}, "measurements");
    if (transform_.size() > 0) {
      const SharedOp whiten = on_columns(transform_, Vector::Zero(transform_.rows()), blocks());
      y_ = b_.add(whiten, {y_}, "whiten");
    }
    // What all phases have in common.
    to_blocks_ = shared(to_blocks());
    sense_ = on_columns(phi_ / kImageGain, phi_ * Vector::Constant(phi_.cols(), mean_), blocks());
    const bool fills_planes = height_ == 2 * plane_height_ && width_ == 2 * plane_width_;
    const SharedOp inside_image = fills_planes ? nullptr : shared(inside());
    const SharedOp transposed = on_columns(kResidualGain * phi_.transpose(), Vector::Zero(phi_.cols()), blocks());
    const SharedOp from_groups = shared(planes([this](Index i, Index j) { return in_groups(i, j); }, 0));
    const SharedOp from_blocks = shared(planes([this](Index i, Index j) { return in_blocks(i, j); }, 0));

    int z = b_.add(planes([this](Index i, Index j) { return in_groups(i, j); }, -kImageGain * mean_),
                   {by_group(y_,
                             [&](const DecodedGroup& group) {
                               const Matrix gain = kImageGain * group.affine.gain;
                               return on_columns(gain, -(gain * (phi_ * group.affine.mean)), count_of(group));
                             })},
                   "start");
    Phases phases(b_, unrolled_, plane_height_, plane_width_);
    for (std::size_t p = 0; p < unrolled_.phases.size(); ++p) {
      const int r = residual(z);
      const int guess =
          b_.add(from_groups, {by_group(r, [](const DecodedGroup& group) { return group.guess; })}, "guess");
      const int back = b_.add(from_blocks, {b_.add(transposed, {r}, "transposed")}, "back");
      const int change = phases.next({z, guess, back});
      z = b_.add(Sum{{1.0, kImageGain / kResidualGain, kImageGain}}, {z, guess, change}, "update");
      if (inside_image) z = b_.add(inside_image, {z}, "inside");
    }
    const int missing = by_group(residual(z), [&](const DecodedGroup& group) {
      return on_columns(last_step(group), Vector::Constant(phi_.cols(), mean_), count_of(group));
    });
    std::vector<Index> image, exact;
    for (Index i = 0; i < height_; ++i) {
      for (Index j = 0; j < width_; ++j) {
        image.push_back(in_planes(i, j));
        exact.push_back(in_groups(i, j));
      }
    }
    const int x = b_.add(choice(std::move(image)), {z}, "image");
    const int step = b_.add(choice(std::move(exact)), {missing}, "missing");
    const int output = b_.add(Sum{{1 / kImageGain, 1.0}}, {x, step}, "projection");
    UnrolledNetwork result{std::move(b_).build(output), phases.kernels(), convolutions(result.network)};
    std::erase_if(result.fixed, [&](int node) { return std::ranges::binary_search(result.learned, node); });
    return result;
  }

 private:
  void make_groups() {
    const BlockStatistics statistics = block_statistics(unrolled_.statistics, block_);
    place_.resize(static_cast<std::size_t>(blocks()));
    Index before = 0;
    for (BlockGroup& group : block_groups(height_, width_, block_)) {
      const Index count = count_of(group);
      for (Index rank = 0; rank < count; ++rank)
        place_[static_cast<std::size_t>(group.blocks[static_cast<std::size_t>(rank)])] = {before + rank, count};
      before += count * phi_.cols();
      AffineDecoder affine = lmmse(phi_, statistics, group.rows, group.cols, noise_);
      Matrix gain = noise_ == 0 ? affine.gain : lmmse(phi_, statistics, group.rows, group.cols, noise_ / kOff).gain;
      SharedOp guess = on_columns(kResidualGain * gain, Vector::Zero(phi_.cols()), count);
      groups_.push_back({std::move(group), std::move(affine), std::move(guess)});
    }
  }

  // Φᵀ(ΦΦᵀ + (σ/s)² I)⁻¹ over the pixels inside the image.
  Matrix last_step(const BlockGroup& group) const {
    const double ratio = noise_ / kLeft * (noise_ / kLeft);
    const bool orthonormal = transform_.size() == 0 || noise_ == 0;
    if (orthonormal && group.rows == block_ && group.cols == block_) return phi_.transpose() / (1 + ratio);
    Matrix seen = phi_;
    for (Index pixel = 0; pixel < seen.cols(); ++pixel) {
      if (pixel / block_ >= group.rows || pixel % block_ >= group.cols) seen.col(pixel).setZero();
    }
    if (noise_ == 0) return seen.completeOrthogonalDecomposition().pseudoInverse();
    Matrix square = seen * seen.transpose();
    square.diagonal().array() += ratio;
    return square.llt().solve(seen).transpose();
  }

  Index blocks() const { return down_ * across_; }
  static Index count_of(const BlockGroup& group) { return static_cast<Index>(group.blocks.size()); }
  static SharedOp shared(Op op) { return std::make_shared<const Op>(std::move(op)); }

  static Select choice(std::vector<Index> index) {
    const auto size = static_cast<Index>(index.size());
    return {std::move(index), Vector::Zero(size)};
  }
  // From (blocks, values) to (values, blocks).
  std::vector<Index> columns_of(Index values) const {
    std::vector<Index> index;
    for (Index k = 0; k < values; ++k) {
      for (Index block = 0; block < blocks(); ++block) index.push_back(block * values + k);
    }
    return index;
  }

  // A matrix on every column of a (matrix.cols(), count) value.
  static SharedOp on_columns(const Matrix& matrix, const Vector& bias, Index count) {
    Convolution conv;
    conv.window = {.channels = matrix.cols(), .height = 1, .width = count};
    conv.kernel = matrix;
    conv.bias = bias;
    return shared(std::move(conv));
  }
  // What `op_of` says of a group on its columns of a (m, blocks) value; the groups' results end to end.
  template <class OpOfGroup>
  int by_group(int input, const OpOfGroup& op_of) {
    std::vector<int> parts;
    for (const DecodedGroup& group : groups_) {
      int own = input;
      if (groups_.size() > 1) {
        std::vector<Index> index;
        for (Index k = 0; k < phi_.rows(); ++k) {
          for (const Index block : group.blocks) index.push_back(k * blocks() + block);
        }
        own = b_.add(choice(std::move(index)), {input}, "group");
      }
      parts.push_back(b_.add(op_of(group), {own}, "blockwise"));
    }
    return parts.size() == 1 ? parts[0] : b_.add(Concat{}, parts, "groups");
  }

  // y − Φx; beyond the image's edges x is 0.
  int residual(int z) {
    const int seen = b_.add(sense_, {b_.add(to_blocks_, {z}, "blocks")}, "sense");
    return b_.add(Sum{{1.0, -1.0}}, {y_, seen}, "residual");
  }

  // Where pixel (i, j) stands in z, in (pixels, blocks), in what by_group() gives.
  Index in_planes(Index i, Index j) const {
    return ((i % 2 * 2 + j % 2) * plane_height_ + i / 2) * plane_width_ + j / 2;
  }
  Index in_blocks(Index i, Index j) const {
    return (i % block_ * block_ + j % block_) * blocks() + i / block_ * across_ + j / block_;
  }
  Index in_groups(Index i, Index j) const {
    const auto [start, count] = place_[static_cast<std::size_t>(i / block_ * across_ + j / block_)];
    return start + (i % block_ * block_ + j % block_) * count;
  }

  // To planes from where `place` says that a pixel stands; `beyond` where the image ends.
  template <class Place>
  Select planes(const Place& place, double beyond) const {
    const Index size = 4 * plane_height_ * plane_width_;
    Select select{std::vector<Index>(static_cast<std::size_t>(size), -1), Vector::Constant(size, beyond)};
    for (Index i = 0; i < height_; ++i) {
      for (Index j = 0; j < width_; ++j) {
        select.index[static_cast<std::size_t>(in_planes(i, j))] = place(i, j);
        select.fill[in_planes(i, j)] = 0;
      }
    }
    return select;
  }

  Select to_blocks() const {
    std::vector<Index> index;
    for (Index pixel = 0; pixel < phi_.cols(); ++pixel) {
      for (Index k = 0; k < blocks(); ++k)
        index.push_back(in_planes(k / across_ * block_ + pixel / block_, k % across_ * block_ + pixel % block_));
    }
    return choice(std::move(index));
  }

  // The image with what is known beyond its edges.
  Scale inside() const {
    const Index size = 4 * plane_height_ * plane_width_;
    Scale scale{Vector::Zero(size), Vector::Constant(size, -kImageGain * mean_)};
    for (Index i = 0; i < height_; ++i) {
      for (Index j = 0; j < width_; ++j) {
        scale.factor[in_planes(i, j)] = 1;
        scale.shift[in_planes(i, j)] = 0;
      }
    }
    return scale;
  }

  const Unrolled& unrolled_;
  double mean_;
  Index measurements_, block_, height_, width_, down_, across_, plane_height_, plane_width_;
  Matrix transform_, phi_;
  double noise_;
  std::vector<DecodedGroup> groups_;
  std::vector<std::pair<Index, Index>>
      place_;  // of a block's first pixel in by_group(): where, from there how far apart
  NetworkBuilder b_;
  int y_ = 0;
  SharedOp to_blocks_, sense_;
};

}  // namespace

std::vector<int> convolutions(const Network& network) {
  std::vector<int> nodes;
  for (int i = 0; i < static_cast<int>(network.nodes().size()); ++i) {
    if (std::holds_alternative<Convolution>(*network.node(i).op)) nodes.push_back(i);
  }
  return nodes;
}

Unrolled Unrolled::random(PixelStatistics statistics, int phases, Index channels, Rng rng) {
  UNRECT_REQUIRE(phases >= 1 && channels >= 1, ErrorCode::kInvalidArgument,
                 "{} phases of {} channels; expected at least 1", phases, channels);
  Unrolled unrolled{std::move(statistics), channels, {}};
  for (int p = 0; p < phases; ++p) {
    std::vector<Kernel>& kernels = unrolled.phases.emplace_back();
    for (std::size_t k = 0; k < kKernels; ++k) {
      const Shape shape = shape_of(channels, static_cast<std::size_t>(p), k);
      const bool added = k == 2 || k == 4;
      const double scale = (k + 1 == kKernels ? 0.02
                            : added           ? 0.1
                                              : 0.7) *
                           std::sqrt(2.0 / static_cast<double>(9 * shape[1]));
      kernels.push_back({scale * rng.normal_matrix(shape[0], 9 * shape[1]), Vector::Zero(shape[0])});
    }
  }
  return unrolled;
}

Unrolled Unrolled::deepened(int count) const {
  UNRECT_REQUIRE(count >= static_cast<int>(phases.size()), ErrorCode::kInvalidArgument,
                 "{} phases from a network of {}; expected no fewer", count, phases.size());
  Unrolled result = *this;
  while (static_cast<int>(result.phases.size()) < count) {
    std::vector<Kernel> next = result.phases.back();
    if (result.phases.size() == 1) {  // without a memory before it
      Matrix& first = next.front().weights;
      const Index from_features = first.cols();
      first.conservativeResize(Eigen::NoChange, from_features + 9 * channels);
      first.rightCols(9 * channels).setZero();
    }
    next.back().weights.setZero();
    next.back().bias.setZero();
    result.phases.push_back(std::move(next));
  }
  return result;
}

Network Unrolled::network(const Matrix& phi, Index height, Index width, double noise) const {
  return trainable(phi, height, width, noise).network;
}

UnrolledNetwork Unrolled::trainable(const Matrix& phi, Index height, Index width, double noise) const {
  UNRECT_REQUIRE(phi.rows() >= 1 && block_side(phi.cols()) >= 1, ErrorCode::kInvalidArgument,
                 "an operator of {} × {}; expected as many columns as a square block has pixels", phi.rows(),
                 phi.cols());
  UNRECT_REQUIRE(height >= 1 && width >= 1, ErrorCode::kInvalidArgument, "an image of {} × {} pixels", height, width);
  UNRECT_REQUIRE(noise >= 0 && std::isfinite(noise), ErrorCode::kInvalidArgument, "noise {}, expected ≥ 0", noise);
  return Builder(*this, phi, height, width, noise).build();
}

Index Unrolled::parameters() const {
  Index count = 0;
  for (const std::vector<Kernel>& kernels : phases) {
    for (const Kernel& kernel : kernels) count += kernel.weights.size() + kernel.bias.size();
  }
  return count;
}

Network Unrolled::learned(Index height, Index width) const {
  const Index features = 12 * height * width, count = static_cast<Index>(phases.size());
  NetworkBuilder b({count * 12, height, width});
  Phases parts(b, *this, height, width);
  std::vector<int> changes;
  for (Index p = 0; p < count; ++p) {
    std::vector<Index> index(static_cast<std::size_t>(features));
    std::iota(index.begin(), index.end(), p * features);
    changes.push_back(parts.next({b.add(Select{std::move(index), Vector::Zero(features)}, {0}, "phase")}));
  }
  const int output = b.add(Concat{}, changes, "changes");
  return std::move(b).build(output, {count * 4, height, width});
}

Unrolled unrolled_of(const Network& trained, const std::vector<int>& nodes, PixelStatistics statistics) {
  Unrolled result{std::move(statistics), 0, {}};
  std::vector<Kernel> kernels;
  for (const int i : nodes) {
    const Node& node = trained.node(i);
    const Convolution* const conv = std::get_if<Convolution>(node.op.get());
    UNRECT_REQUIRE(conv != nullptr, ErrorCode::kInvalidArgument, "node '{}': expected a convolution", node.name);
    const std::size_t k = kernels.size();
    if (result.phases.empty() && k == 0) result.channels = conv->kernel.rows();
    const Shape expected = shape_of(result.channels, result.phases.size(), k);
    UNRECT_REQUIRE(conv->kernel.rows() == expected[0] && conv->kernel.cols() == 9 * expected[1],
                   ErrorCode::kInvalidArgument, "node '{}': a kernel of {} × {}; expected {} × {}", node.name,
                   conv->kernel.rows(), conv->kernel.cols(), expected[0], 9 * expected[1]);
    kernels.push_back({conv->kernel, conv->bias});
    if (kernels.size() == Unrolled::kKernels) result.phases.push_back(std::exchange(kernels, {}));
  }
  UNRECT_REQUIRE(!result.phases.empty() && kernels.empty(), ErrorCode::kInvalidArgument,
                 "{} convolutions that are learned; expected {} a phase", nodes.size(), Unrolled::kKernels);
  return result;
}

}  // namespace unrect
