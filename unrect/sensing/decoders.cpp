#include "unrect/sensing/decoders.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/Dense>
#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <mutex>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/sensing/fit.hpp"
#include "unrect/sensing/whiten.hpp"
#include "unrect/sensing/wiener.hpp"
#include "unrect/signal/basis_pursuit.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/fourier.hpp"
#include "unrect/signal/greedy.hpp"
#include "unrect/signal/lasso.hpp"
#include "unrect/signal/recovery.hpp"
#include "unrect/train/internal/forward.hpp"

namespace unrect {
namespace {

/// Solves for what differs from the one grey that fits y best: few measurements take long to tell a level.
template <class Solve>
Image around_level(const White& white, const Measurement& m, const Solve& solve) {
  const LinearOperator a = block_sampling(white.phi, m.height, m.width, white.block);
  const Matrix y = white.measurements(m);
  const Vector grey = a.apply(Vector::Ones(m.height * m.width)), values = Eigen::Map<const Vector>(y.data(), y.size());
  const double level = grey.dot(values) / std::max(grey.squaredNorm(), 1e-300);
  return solve(a, Vector(values - level * grey)).array() + level;
}

Decoder tv_decoder(const White& white, double noise) {
  TvOptions options{.step = 1};
  options.last_lambda = std::max(options.last_lambda, noise);
  options.first_lambda = std::max(options.first_lambda, noise);
  return [=](const Measurement& m) {
    return around_level(white, m, [&](const LinearOperator& a, const Vector& y) {
      return recover_tv(a, y, m.height, m.width, options).image;
    });
  };
}

/// Index of the image mirrored at its edges again and again.
Index reflected(Index i, Index n) { return i % (2 * n) < n ? i % (2 * n) : 2 * n - 1 - i % (2 * n); }

/// What shrinks images of rows × cols, of smaller ones: mirrored beyond their right and lower edge.
ImageThreshold mirrored(Index height, Index width, Index rows, Index cols, const ImageThreshold& shrink) {
  if (rows == height && cols == width) return shrink;
  return [=](const Matrix& image, double threshold, Rng& rng) -> Matrix {
    Matrix wide(rows, cols);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) wide(i, j) = image(reflected(i, height), reflected(j, width));
    }
    return shrink(wide, threshold, rng).topLeftCorner(height, width);
  };
}

/// Wavelets want sides that can be halved.
ImageThreshold any_size_wavelets(Index height, Index width) {
  const Index levels = std::clamp<Index>(std::bit_width(static_cast<std::size_t>(std::min(height, width))) - 4, 1, 3);
  const Index step = Index{1} << levels, rows = (height + step - 1) / step * step,
              cols = (width + step - 1) / step * step;
  return mirrored(height, width, rows, cols, wavelet_threshold(rows, cols, Wavelet::kDaubechies8, levels));
}

/// Iterative hard thresholding by what `shrink_for` an image's size gives.
Decoder threshold_decoder(const White& white, double noise, std::uint64_t seed,
                          const std::function<ImageThreshold(Index, Index)>& shrink_for) {
  ThresholdOptions options{.step = 1};
  options.last_threshold = std::max(options.last_threshold, 3 * noise);
  options.first_threshold = std::max(options.first_threshold, 3 * noise);
  return [=](const Measurement& m) {
    Context context;
    context.seed = seed;
    return around_level(white, m, [&](const LinearOperator& a, const Vector& y) {
      return recover_by_threshold(a, y, m.height, m.width, shrink_for(m.height, m.width), options, context).image;
    });
  };
}

ImageThreshold patches(Index height, Index width) {
  const Index rows = std::max<Index>(2, height), cols = std::max<Index>(2, width);  // the least that has a patch
  return mirrored(height, width, rows, cols, patch_threshold(rows, cols, std::min({Index{16}, rows, cols})));
}

/// Decoders that find the DCT coefficients of every block.
class BlockCodes {
 public:
  explicit BlockCodes(White white)
      : white_(std::move(white)),
        transform_(dct_2d(white_.block, white_.block)),
        atoms_(compose(white_.phi, transpose(transform_)).to_matrix()) {}

  const Matrix& atoms() const { return atoms_; }
  /// Of natural images: coefficients fall as 1 / frequency.
  Vector weights() const {
    Vector w(atoms_.cols());
    for (Index i = 0; i < w.size(); ++i) {
      const Index row = i / white_.block, col = i % white_.block;
      w(i) = (1 + std::hypot(static_cast<double>(row), static_cast<double>(col))) / 8;
    }
    return w;
  }
  Matrix measurements(const Measurement& m) const { return white_.measurements(m); }
  Image image(const Matrix& codes, const Measurement& m) const {
    return from_blocks(transform_.adjoint_rows(codes), m.height, m.width, white_.block);
  }

 private:
  White white_;
  LinearOperator transform_;
  Matrix atoms_;  // m × n
};

Decoder omp_decoder(const BlockCodes& codes, double noise) {
  const Omp omp(codes.atoms());
  const Index most = std::max<Index>(1, codes.atoms().rows() / 4);
  const double tolerance = noise * std::sqrt(static_cast<double>(codes.atoms().rows()));
  return [=](const Measurement& m) {
    return codes.image(omp.solve_rows(codes.measurements(m), {.sparsity = most, .tolerance = tolerance}), m);
  };
}

Decoder fista_decoder(const BlockCodes& codes, double noise) {
  LassoOptions options{.lambda = 0.005, .continuation = 3, .max_iterations = 100, .tolerance = 1e-3, .step = 1};
  options.lambda = std::max(options.lambda, noise);
  options.weights = codes.weights();
  return [codes, options, a = LinearOperator(codes.atoms())](const Measurement& m) {
    const std::vector<SparseResult> results = lasso_rows(a, codes.measurements(m), options);
    Matrix found(static_cast<Index>(results.size()), a.cols());
    for (std::size_t i = 0; i < results.size(); ++i) found.row(static_cast<Index>(i)) = results[i].x.transpose();
    return codes.image(found, m);
  };
}

Decoder bp_decoder(const BlockCodes& codes, double noise) {
  const Vector spread = codes.weights().cwiseInverse();
  const auto pursuit = std::make_shared<const BasisPursuit>(Matrix(codes.atoms() * spread.asDiagonal()));
  const double residual = noise * std::sqrt(static_cast<double>(codes.atoms().rows()));
  return [codes, spread, pursuit, residual](const Measurement& m) {
    const Matrix y = codes.measurements(m);
    Matrix found = Matrix::Zero(y.rows(), spread.size());
    for (Index i = 0; i < y.rows(); ++i) {
      if (y.row(i).squaredNorm() == 0) continue;
      const SparseResult result =
          pursuit->solve(y.row(i).transpose(), {.residual = residual, .max_iterations = 300, .tolerance = 1e-3});
      if (result.x.size() > 0) found.row(i) = result.x.cwiseProduct(spread).transpose();
    }
    return codes.image(found, m);
  };
}

/// What images of the last size share, while nobody uses it.
template <class Shared>
class Kept {
 public:
  /// For the taker alone; null where none is left of that size.
  std::unique_ptr<Shared> take(Index height, Index width) {
    const std::lock_guard lock(mutex_);
    if (kept_.empty() || height != height_ || width != width_) return nullptr;
    std::unique_ptr<Shared> shared = std::move(kept_.back());
    kept_.pop_back();
    return shared;
  }
  void give_back(Index height, Index width, std::unique_ptr<Shared> shared) {
    const std::lock_guard lock(mutex_);
    if (height != height_ || width != width_) kept_.clear();
    height_ = height;
    width_ = width;
    kept_.push_back(std::move(shared));
  }

 private:
  std::mutex mutex_;
  Index height_ = 0, width_ = 0;
  std::vector<std::unique_ptr<Shared>> kept_;  // as many as were in use at once
};

/// A decoder that `make`s what images of one size share and keeps it for the last size: a folder's mostly have one.
template <class Shared, class Make, class Decode>
Decoder for_size(const Sampling& sampling, const Make& make, const Decode& decode) {
  const auto kept = std::make_shared<Kept<Shared>>();
  const auto own = [kept, make](Index height, Index width) {
    std::unique_ptr<Shared> shared = kept->take(height, width);
    return shared ? std::move(shared) : make(height, width);
  };
  const auto prepare = [kept, own](Index height, Index width) { kept->give_back(height, width, own(height, width)); };
  const auto run = [kept, own, decode, rows = sampling.phi.rows(), block = sampling.block](const Measurement& m) {
    require_measured_by(m, rows, block);
    std::unique_ptr<Shared> shared = own(m.height, m.width);
    Image image = decode(*shared, m);
    kept->give_back(m.height, m.width, std::move(shared));
    return image;
  };
  return {run, prepare};
}

Decoder lmmse_decoder(const Sampling& sampling, const DecoderOptions& options) {
  require_small(sampling);
  UNRECT_REQUIRE(options.statistics != nullptr && options.statistics->mean.size() == sampling.phi.cols(),
                 ErrorCode::kInvalidArgument, "lmmse needs statistics of blocks of {} × {} from training images",
                 sampling.block, sampling.block);
  using Maps = std::vector<std::pair<BlockGroup, AffineDecoder>>;
  const Matrix phi = sampling.phi.to_matrix();
  const auto make = [phi, block = sampling.block, statistics = *options.statistics, noise = options.noise](
                        Index height, Index width) {
    auto maps = std::make_unique<Maps>();
    for (BlockGroup& group : block_groups(height, width, block)) {
      AffineDecoder map = lmmse(phi, statistics, group.rows, group.cols, noise);
      maps->emplace_back(std::move(group), std::move(map));
    }
    return maps;
  };
  return for_size<Maps>(sampling, make, [phi](const Maps& maps, const Measurement& m) {
    Matrix blocks(m.y.rows(), phi.cols());
    for (const auto& [group, map] : maps)
      blocks(group.blocks, Eigen::all) = map.decode(phi, m.y(group.blocks, Eigen::all));
    return from_blocks(blocks, m.height, m.width, m.sampling.block);
  });
}

Decoder wiener_decoder(const Sampling& sampling, const DecoderOptions& options) {
  require_small(sampling);
  UNRECT_REQUIRE(options.lags != nullptr, ErrorCode::kInvalidArgument,
                 "wiener needs covariances of pixels from training images");
  const auto make = [phi = sampling.phi.to_matrix(), lags = *options.lags, noise = options.noise](Index height,
                                                                                                  Index width) {
    return std::make_unique<Wiener>(phi, lags, height, width, noise);
  };
  return for_size<Wiener>(sampling, make, [](const Wiener& wiener, const Measurement& m) { return wiener(m.y); });
}

Decoder net_decoder(const Sampling& sampling, const DecoderOptions& options) {
  require_small(sampling);
  UNRECT_REQUIRE(options.model != nullptr, ErrorCode::kInvalidArgument, "net needs a model, a trained network");
  const auto make = [phi = sampling.phi.to_matrix(), model = *options.model, noise = options.noise](Index height,
                                                                                                    Index width) {
    return std::make_unique<Forward>(model.network(phi, height, width, noise), Products::kBfloat16);
  };
  return for_size<Forward>(sampling, make, [](Forward& net, const Measurement& m) {
    const FloatVector y = Eigen::Map<const Vector>(m.y.data(), m.y.size()).cast<float>();
    const Vector x = net(y).cast<double>();
    return Image(Eigen::Map<const Matrix>(x.data(), m.height, m.width));
  });
}

Decoder plain_decoder(std::string_view name, const Sampling& sampling, const White& white,
                      const DecoderOptions& options) {
  if (name == "lmmse") return lmmse_decoder(sampling, options);
  if (name == "wiener") return wiener_decoder(sampling, options);
  if (name == "net") return net_decoder(sampling, options);
  const double noise = whitened_noise(white.transform, options.noise);
  if (name == "tv") return tv_decoder(white, noise);
  if (name == "iht") return threshold_decoder(white, noise, options.seed, patches);
  if (name == "wavelet") return threshold_decoder(white, noise, options.seed, any_size_wavelets);
  if (name == "ksvd") {
    UNRECT_REQUIRE(options.dictionary != nullptr, ErrorCode::kInvalidArgument,
                   "ksvd needs a dictionary of patches from training images");
    UNRECT_REQUIRE(block_side(options.dictionary->cols()) >= 2, ErrorCode::kInvalidArgument,
                   "atoms of {} pixels, expected squares of at least 2 × 2", options.dictionary->cols());
    const auto shrink_for = [atoms = *options.dictionary](Index height, Index width) {
      const bool fits = atoms.cols() <= std::min(height, width) * std::min(height, width);
      return fits ? dictionary_threshold(height, width, atoms) : patches(height, width);
    };
    return threshold_decoder(white, noise, options.seed, shrink_for);
  }
  const BlockCodes codes(white);
  if (name == "omp") return omp_decoder(codes, noise);
  if (name == "fista") return fista_decoder(codes, noise);
  return bp_decoder(codes, noise);
}

}  // namespace

const std::vector<std::string_view>& decoder_names() {
  static const std::vector<std::string_view> names{"tv",    "iht", "wavelet", "ksvd",   "omp",
                                                   "fista", "bp",  "lmmse",   "wiener", "net"};
  return names;
}

Decoder decoder_named(std::string_view name, const Sampling& sampling, const DecoderOptions& options) {
  UNRECT_REQUIRE(std::ranges::find(decoder_names(), name) != decoder_names().end(), ErrorCode::kInvalidArgument,
                 "method \"{}\", expected one of {}", name, fmt::join(decoder_names(), ", "));
  validate(options);
  const bool whole = name == "tv" || name == "iht" || name == "wavelet" || name == "ksvd";
  if (!whole) require_small(sampling);
  const White white = whitened(sampling, options.noise);
  const Decoder decoder = plain_decoder(name, sampling, white, options);
  const auto fit = std::make_shared<const Fit>(sampling, white);
  return {[=, noise = options.noise](const Measurement& m) {
            UNRECT_REQUIRE(m.noise == noise, ErrorCode::kInvalidArgument,
                           "measurements with noise {}, but the decoder was made for {}", m.noise, noise);
            return (*fit)(decoder(m), m);
          },
          [=](Index height, Index width) { decoder.prepare(height, width); }};
}

}  // namespace unrect
