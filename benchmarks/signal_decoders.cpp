// Untrained decoders of block-sampled images: PSNR in dB and processor seconds (one thread), per image and on average.
//
//   signal_decoders PHI.npy IMAGE.npy …     images are h × w, grey, in [0, 1]; PHI is m × block²
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/signal/blocks.hpp"
#include "unrect/signal/fourier.hpp"
#include "unrect/signal/greedy.hpp"
#include "unrect/signal/lasso.hpp"
#include "unrect/signal/recovery.hpp"
#include "unrect/signal/sensing_operator.hpp"

namespace {

using namespace unrect;

struct Measured {
  LinearOperator sampling;
  Vector y;
  Index height, width;
};

/// What every image shares: made once, outside the clock.
struct Decoders {
  LinearOperator phi;
  Index block;
  LinearOperator codes;  // DCT coefficients of a block to its measurements
  Omp omp;

  explicit Decoders(const LinearOperator& sensing)
      : phi(sensing),
        block(block_side(sensing.cols())),
        codes(compose(phi, transpose(dct_2d(block, block))).to_matrix()),
        omp(codes.to_matrix()) {}

  Matrix blocks_of(const Measured& in) const {
    return Eigen::Map<const Matrix>(in.y.data(), in.y.size() / phi.rows(), phi.rows());
  }
  Matrix image_of(const Matrix& block_codes, const Measured& in) const {
    return from_blocks(dct_2d(block, block).adjoint_rows(block_codes), in.height, in.width, block);
  }

  Matrix by_omp(const Measured& in) {
    return image_of(omp.solve_rows(blocks_of(in), {.sparsity = phi.rows() / 4}), in);
  }
  Matrix by_lasso(const Measured& in) const {
    LassoOptions options{.lambda = 0.005, .continuation = 3, .max_iterations = 100, .tolerance = 1e-3, .step = 1};
    options.weights.resize(codes.cols());
    for (Index i = 0; i < codes.cols(); ++i) {  // natural images: coefficients fall as 1 / frequency
      options.weights(i) = (1 + std::hypot(static_cast<double>(i / block), static_cast<double>(i % block))) / 8;
    }
    const std::vector<SparseResult> results = lasso_rows(codes, blocks_of(in), options);
    Matrix found(static_cast<Index>(results.size()), codes.cols());
    for (std::size_t i = 0; i < results.size(); ++i) found.row(static_cast<Index>(i)) = results[i].x.transpose();
    return image_of(found, in);
  }
  static Matrix by_wavelet(const Measured& in) {
    const Index levels = std::min(most_levels(in.height), most_levels(in.width));
    const ImageThreshold shrink =
        wavelet_threshold(in.height, in.width, Wavelet::kDaubechies8, std::min<Index>(levels, 3));
    return recover_by_threshold(in.sampling, in.y, in.height, in.width, shrink, {.step = 1}).image;
  }
  static Matrix by_tv(const Measured& in) {
    return recover_tv(in.sampling, in.y, in.height, in.width, {.step = 1}).image;
  }
  static Matrix by_patches(const Measured& in) {
    const ImageThreshold shrink = patch_threshold(in.height, in.width);
    return recover_by_threshold(in.sampling, in.y, in.height, in.width, shrink, {.step = 1}).image;
  }
};

double psnr(const Matrix& found, const Matrix& truth) {
  const Matrix error = found.cwiseMax(0).cwiseMin(1) - truth;
  return -10 * std::log10(error.squaredNorm() / static_cast<double>(error.size()));
}

int run(const std::vector<std::string>& files) {
  Decoders decoders(read_operator(files.at(0)));
  const std::vector<std::pair<const char*, std::function<Matrix(const Measured&)>>> all = {
      {"OMP, DCT of blocks", [&](const Measured& in) { return decoders.by_omp(in); }},
      {"FISTA, DCT of blocks", [&](const Measured& in) { return decoders.by_lasso(in); }},
      {"IHT, wavelets", Decoders::by_wavelet},
      {"FISTA, total variation", Decoders::by_tv},
      {"IHT, DCT of all patches", Decoders::by_patches},
  };
  fmt::print("{:24}", "dB (s)");
  for (std::size_t i = 1; i < files.size(); ++i) fmt::print("{:>16}", std::filesystem::path(files[i]).stem().string());
  fmt::print("{:>16}\n", "mean");
  for (const auto& [name, decode] : all) {
    fmt::print("{:24}", name);
    double decibels = 0, seconds = 0;
    for (std::size_t i = 1; i < files.size(); ++i) {
      const Matrix truth = read_npy(files[i]).to_matrix(files[i]);
      const LinearOperator sampling = block_sampling(decoders.phi, truth.rows(), truth.cols(), decoders.block);
      const Measured in{sampling, sampling.apply(Eigen::Map<const Vector>(truth.data(), truth.size())), truth.rows(),
                        truth.cols()};
      const std::clock_t start = std::clock();
      const Matrix found = decode(in);
      const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      const double quality = psnr(found, truth);
      decibels += quality;
      seconds += took;
      fmt::print("{:>16}", fmt::format("{:.2f} ({:.2f})", quality, took));
      std::fflush(stdout);
    }
    const auto count = static_cast<double>(files.size() - 1);
    fmt::print("{:>16}\n", fmt::format("{:.2f} ({:.2f})", decibels / count, seconds / count));
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    fmt::print(stderr, "usage: signal_decoders PHI.npy IMAGE.npy …\n");
    return 2;
  }
  try {
    return run({arguments + 1, arguments + count});
  } catch (const Error& error) {
    fmt::print(stderr, "signal_decoders: {}\n", error.what());
    return 1;
  }
}
