#include "unrect/sensing/decoders.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/Dense>
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/learn/forward.hpp"
#include "unrect/sensing/whiten.hpp"
#include "unrect/sensing/wiener.hpp"
#include "unrect/signal/basis_pursuit.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/fourier.hpp"
#include "unrect/signal/greedy.hpp"
#include "unrect/signal/lasso.hpp"
#include "unrect/signal/recovery.hpp"

namespace unrect {
namespace {

constexpr Index kMostEntries = Index{1} << 26;

/// Φ with rows as good as orthonormal, and what makes its measurements of Φ's.
struct White {
  LinearOperator phi;
  Matrix transform;  // empty: none
  Index block;

  Matrix measurements(const Measurement& m) const {
    const Index expected = transform.size() > 0 ? transform.cols() : phi.rows();
    UNRECT_REQUIRE(m.y.cols() == expected && m.sampling.block == block, ErrorCode::kInvalidArgument,
                   "{} measurements of blocks of {}, but the decoder was made for {} of blocks of {}", m.y.cols(),
                   m.sampling.block, expected, block);
    return transform.size() > 0 ? Matrix(m.y * transform.transpose()) : m.y;
  }
};

void require_small(const Sampling& sampling) {
  UNRECT_REQUIRE(sampling.phi.rows() <= kMostEntries / sampling.phi.cols(), ErrorCode::kInvalidArgument,
                 "operator of {} × {} is too large for a decoder of blocks, expected tv or iht", sampling.phi.rows(),
                 sampling.phi.cols());
}

White whiten(const Sampling& sampling, double noise) {
  const bool orthonormal = sampling.kind == SensingKind::kOrthonormal || sampling.kind == SensingKind::kHadamard ||
                           sampling.kind == SensingKind::kDct;
  if (orthonormal) return {sampling.phi, {}, sampling.block};
  require_small(sampling);
  const Matrix phi = sampling.phi.to_matrix();
  Matrix transform = whitening(phi, noise);
  if (transform.size() == 0) return {sampling.phi, {}, sampling.block};
  LinearOperator whitened(Matrix(transform * phi));
  return {std::move(whitened), std::move(transform), sampling.block};
}

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
  const auto omp = std::make_shared<Omp>(codes.atoms());
  const Index most = std::max<Index>(1, codes.atoms().rows() / 4);
  const double tolerance = noise * std::sqrt(static_cast<double>(codes.atoms().rows()));
  return [=](const Measurement& m) {
    return codes.image(omp->solve_rows(codes.measurements(m), {.sparsity = most, .tolerance = tolerance}), m);
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

Decoder bp_decoder(const BlockCodes& codes) {
  const Vector spread = codes.weights().cwiseInverse();
  return [codes, spread, weighted = Matrix(codes.atoms() * spread.asDiagonal())](const Measurement& m) {
    const Matrix y = codes.measurements(m);
    Matrix found = Matrix::Zero(y.rows(), weighted.cols());
    for (Index i = 0; i < y.rows(); ++i) {
      if (y.row(i).squaredNorm() == 0) continue;
      const SparseResult result =
          basis_pursuit_admm(weighted, y.row(i).transpose(), {.max_iterations = 300, .tolerance = 1e-3});
      if (result.x.size() > 0) found.row(i) = result.x.cwiseProduct(spread).transpose();
    }
    return codes.image(found, m);
  };
}

Decoder lmmse_decoder(const Sampling& sampling, const DecoderOptions& options) {
  require_small(sampling);
  UNRECT_REQUIRE(options.statistics != nullptr && options.statistics->mean.size() == sampling.phi.cols(),
                 ErrorCode::kInvalidArgument, "lmmse needs statistics of blocks of {} × {} from training images",
                 sampling.block, sampling.block);
  using Maps = std::map<std::pair<Index, Index>, AffineDecoder>;  // by the pixels inside the image
  const auto maps = std::make_shared<Maps>();
  return [maps, phi = sampling.phi.to_matrix(), block = sampling.block, statistics = options.statistics,
          noise = options.noise](const Measurement& m) {
    UNRECT_REQUIRE(m.y.cols() == phi.rows() && m.sampling.block == block, ErrorCode::kInvalidArgument,
                   "{} measurements of blocks of {}, but the decoder was made for {} of blocks of {}", m.y.cols(),
                   m.sampling.block, phi.rows(), block);
    Matrix blocks(m.y.rows(), phi.cols());
    for (const BlockGroup& group : block_groups(m.height, m.width, block)) {
      const auto [at, fresh] = maps->try_emplace({group.rows, group.cols});
      if (fresh) at->second = lmmse(phi, *statistics, group.rows, group.cols, noise);
      blocks(group.blocks, Eigen::all) = at->second.decode(phi, m.y(group.blocks, Eigen::all));
    }
    return from_blocks(blocks, m.height, m.width, block);
  };
}

/// A decoder that `make`s what images of one size share and keeps it for the last size: a folder's mostly have one.
template <class Shared, class Make, class Decode>
Decoder for_size(const Sampling& sampling, const Make& make, const Decode& decode) {
  struct Last {
    Index height = 0, width = 0;
    std::unique_ptr<Shared> shared;
  };
  const auto last = std::make_shared<Last>();
  const auto prepare = [last, make](Index height, Index width) {
    if (last->shared && height == last->height && width == last->width) return;
    *last = {height, width, make(height, width)};
  };
  const auto run = [last, prepare, decode, rows = sampling.phi.rows(), block = sampling.block](const Measurement& m) {
    UNRECT_REQUIRE(m.y.cols() == rows && m.sampling.block == block, ErrorCode::kInvalidArgument,
                   "{} measurements of blocks of {}, but the decoder was made for {} of blocks of {}", m.y.cols(),
                   m.sampling.block, rows, block);
    prepare(m.height, m.width);
    return decode(*last->shared, m);
  };
  return {run, prepare};
}

Decoder wiener_decoder(const Sampling& sampling, const DecoderOptions& options) {
  require_small(sampling);
  UNRECT_REQUIRE(options.lags != nullptr, ErrorCode::kInvalidArgument,
                 "wiener needs covariances of pixels from training images");
  const auto make = [phi = sampling.phi.to_matrix(), lags = options.lags, noise = options.noise](Index height,
                                                                                                 Index width) {
    return std::make_unique<Wiener>(phi, *lags, height, width, noise);
  };
  return for_size<Wiener>(sampling, make, [](const Wiener& wiener, const Measurement& m) { return wiener(m.y); });
}

Decoder net_decoder(const Sampling& sampling, const DecoderOptions& options) {
  require_small(sampling);
  UNRECT_REQUIRE(options.model != nullptr, ErrorCode::kInvalidArgument, "net needs a model, a trained network");
  const auto make = [phi = sampling.phi.to_matrix(), model = options.model, noise = options.noise](Index height,
                                                                                                   Index width) {
    return std::make_unique<Forward>(model->network(phi, height, width, noise), Products::kBfloat16);
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
  return bp_decoder(codes);
}

/// The image near x that fits y as asked, or as well as any: conjugate gradients on min ‖Φ d − (y − Φ x)‖ in every
/// block, over the pixels inside the image. With noise the last step is cut where the residual is what was asked. Where
/// Φ has orthonormal rows, blocks inside the image take one step, the projection.
Image fitted(const Image& x, const Measurement& m, const White& white) {
  const double enough = asked_residual(m) * (1 - 1e-9);
  Matrix blocks = to_blocks(x, white.block);
  const auto left = [&]() -> Matrix { return m.y - m.sampling.phi.apply_rows(blocks); };
  Matrix misfit = left();
  if (misfit.norm() <= enough) return x;
  const Matrix inside = to_blocks(Matrix::Ones(m.height, m.width), white.block), y = white.measurements(m);
  Matrix rest = y - white.phi.apply_rows(blocks);
  Matrix gradient = white.phi.adjoint_rows(rest).cwiseProduct(inside), direction = gradient;
  Vector square = gradient.rowwise().squaredNorm();
  std::vector<Index> open(static_cast<std::size_t>(blocks.rows()));
  std::iota(open.begin(), open.end(), Index{0});
  const Vector sizes = y.rowwise().norm().cwiseMax(rest.rowwise().norm());
  for (int k = 0; k < 1000; ++k) {
    // Done: nothing is left, or nothing that pixels could explain.
    std::erase_if(open, [&](Index i) {
      const double left_over = rest.row(i).norm();
      return left_over <= 1e-12 * sizes(i) || !(std::sqrt(square(i)) > 1e-10 * left_over);
    });
    if (open.empty()) break;
    const Matrix ahead = direction(open, Eigen::all), image = white.phi.apply_rows(ahead);
    Vector steps = square(open).array() / image.rowwise().squaredNorm().array().max(1e-300);
    // What a block leaves falls with every step; where it does not, rounding rules.
    for (std::size_t i = 0; i < open.size(); ++i) {
      const auto at = static_cast<Index>(i);
      if ((rest.row(open[i]) - steps(at) * image.row(at)).norm() < rest.row(open[i]).norm()) continue;
      steps(at) = 0;
      square(open[i]) = 0;
    }
    const Matrix moves = steps.asDiagonal() * ahead;
    blocks(open, Eigen::all) += moves;
    if (m.noise > 0) {
      const Matrix before = misfit;
      misfit = left();
      if (misfit.norm() <= enough) {  // ‖before + t (misfit − before)‖ = enough
        const Matrix change = misfit - before;
        const double c2 = change.squaredNorm(), c1 = change.cwiseProduct(before).sum();
        const double t = (-c1 - std::sqrt(std::max(0.0, c1 * c1 - c2 * (before.squaredNorm() - enough * enough)))) / c2;
        blocks(open, Eigen::all) -= (1 - std::clamp(t, 0.0, 1.0)) * moves;
        break;
      }
    }
    rest(open, Eigen::all) -= steps.asDiagonal() * image;
    const Matrix next = white.phi.adjoint_rows(rest(open, Eigen::all)).cwiseProduct(inside(open, Eigen::all));
    const Vector squares = next.rowwise().squaredNorm();
    const Vector ratios = (square(open).array() > 0).select(squares.array() / square(open).array(), 0);
    direction(open, Eigen::all) = next + ratios.asDiagonal() * ahead;
    square(open) = (square(open).array() > 0).select(squares, 0);
  }
  return from_blocks(blocks, m.height, m.width, white.block);
}

}  // namespace

double asked_residual(const Measurement& measurement) {
  const auto count = static_cast<double>(measurement.y.size());
  return measurement.noise > 0 ? measurement.noise * std::sqrt(count + 2 * std::sqrt(2 * count))
                               : 1e-6 * measurement.y.norm();
}

const std::vector<std::string_view>& decoder_names() {
  static const std::vector<std::string_view> names{"tv",    "iht", "wavelet", "ksvd",   "omp",
                                                   "fista", "bp",  "lmmse",   "wiener", "net"};
  return names;
}

Decoder decoder_named(std::string_view name, const Sampling& sampling, const DecoderOptions& options) {
  UNRECT_REQUIRE(std::ranges::find(decoder_names(), name) != decoder_names().end(), ErrorCode::kInvalidArgument,
                 "method \"{}\", expected one of {}", name, fmt::join(decoder_names(), ", "));
  UNRECT_REQUIRE(options.noise >= 0 && std::isfinite(options.noise), ErrorCode::kInvalidArgument,
                 "noise {}, expected ≥ 0", options.noise);
  const bool whole = name == "tv" || name == "iht" || name == "wavelet" || name == "ksvd";
  if (!whole) require_small(sampling);
  const White white = whiten(sampling, options.noise);
  const Decoder decoder = plain_decoder(name, sampling, white, options);
  return {[=](const Measurement& m) { return fitted(decoder(m), m, white); },
          [=](Index height, Index width) { decoder.prepare(height, width); }};
}

}  // namespace unrect
