#include "sensing_options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "unrect/base/error.hpp"

namespace unrect::cli {

void SensingOptions::add_to(CLI::App& verb) {
  verb.add_option("--ratio", ratio, "measurements for every pixel, above 0, at most 1");
  verb.add_option("--operator", kind, "gaussian, bernoulli (±1), orthonormal (rows), hadamard, dct (random rows)")
      ->capture_default_str();
  verb.add_option("--phi", phi, "Φ itself, m × block², .npy; instead of --ratio and --operator");
  verb.add_option("--block", block, "side of the blocks measured one by one (default: 33; 32 for hadamard)");
  verb.add_option("--noise", noise, "σ of Gaussian noise on the measurements")->capture_default_str();
  verb.add_option("--seed", seed, "seed of the operator and the noise")->capture_default_str();
}

Sampling SensingOptions::sampling() const {
  if (!phi.empty()) {
    UNRECT_REQUIRE(!ratio, ErrorCode::kInvalidArgument, "--phi {} has its own ratio, expected no --ratio",
                   phi.string());
    Sampling given = read_sampling(phi);
    UNRECT_REQUIRE(block.value_or(given.block) == given.block, ErrorCode::kInvalidArgument,
                   "--block {}, but {} measures blocks of {} × {}", *block, phi.string(), given.block, given.block);
    return given;
  }
  UNRECT_REQUIRE(ratio.has_value(), ErrorCode::kInvalidArgument,
                 "how much is measured? Expected --ratio R or --phi FILE.npy");
  const SensingKind drawn = sensing_kind_named(kind);
  UNRECT_REQUIRE(drawn != SensingKind::kGiven, ErrorCode::kInvalidArgument,
                 "--operator given: expected --phi FILE.npy");
  const Index side = block.value_or(drawn == SensingKind::kHadamard ? 32 : 33);
  UNRECT_REQUIRE(side >= 1 && side <= 8192, ErrorCode::kInvalidArgument, "--block {}, expected 1 to 8192", side);
  return draw_sampling(drawn, measurements_for(*ratio, side * side), side, seed);
}

std::optional<BlockStatistics> read_statistics(const std::filesystem::path& folder,
                                               const std::vector<std::string>& methods, Index block) {
  if (std::ranges::find(methods, "lmmse") == methods.end()) return std::nullopt;
  UNRECT_REQUIRE(!folder.empty(), ErrorCode::kInvalidArgument, "--method lmmse learns: expected --train-folder DIR");
  std::vector<Image> images;
  for (NamedImage& named : read_images(folder)) images.push_back(std::move(named.image));
  return block_statistics(images, block);
}

std::optional<Unrolled> read_model(const std::filesystem::path& file, const std::vector<std::string>& methods) {
  if (std::ranges::find(methods, "net") == methods.end()) return std::nullopt;
  UNRECT_REQUIRE(!file.empty(), ErrorCode::kInvalidArgument, "--method net is learned: expected --model FILE.onnx");
  return read_unrolled(file);
}

}  // namespace unrect::cli
