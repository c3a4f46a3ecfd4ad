#include "sensing_options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli.hpp"
#include "unrect/base/error.hpp"
#include "unrect/sensing/datasets.hpp"
#include "unrect/sensing/wiener.hpp"
#include "unrect/signal/dictionary.hpp"

namespace unrect::cli {
namespace {

constexpr Index kHadamardSide = 32;  // of whose powers of two the nearest to kBlockSide

}  // namespace

void SensingOptions::add_to(CLI::App& verb) {
  verb.add_option("--ratio", ratio, "measurements for every pixel, above 0, at most 1");
  verb.add_option("--operator", kind,
                  "gaussian, bernoulli (±1), orthonormal (rows), hadamard, dct, fourier (random rows)")
      ->capture_default_str();
  verb.add_option("--phi", phi, "Φ itself, m × block², .npy; instead of --ratio and --operator")
      ->excludes("--operator");
  verb.add_option("--block", block,
                  fmt::format("side of the blocks measured one by one (default: {}; {} for {})", kBlockSide,
                              kHadamardSide, name_of(SensingKind::kHadamard)));
  add_seed(verb, seed, "seed of the operator and the noise");
}

Sampling SensingOptions::sampling() const {
  if (!phi.empty()) {
    UNRECT_REQUIRE(!ratio, ErrorCode::kInvalidArgument, "--phi {} has its own ratio, expected no --ratio",
                   phi.string());
    Sampling given = read_sampling(phi);
    UNRECT_REQUIRE(block.value_or(given.block) == given.block, ErrorCode::kInvalidArgument,
                   "--block {}, but {} measures blocks of {} × {}", block.value_or(0), phi.string(), given.block,
                   given.block);
    return given;
  }
  UNRECT_REQUIRE(ratio.has_value(), ErrorCode::kInvalidArgument,
                 "how much is measured? Expected --ratio R or --phi FILE.npy");
  const SensingKind drawn = sensing_kind_named(kind);
  UNRECT_REQUIRE(drawn != SensingKind::kGiven, ErrorCode::kInvalidArgument,
                 "--operator given: expected --phi FILE.npy");
  const Index side = block.value_or(drawn == SensingKind::kHadamard ? kHadamardSide : kBlockSide);
  UNRECT_REQUIRE(side >= 1 && side <= 8192, ErrorCode::kInvalidArgument, "--block {}, expected 1 to 8192", side);
  return draw_sampling(drawn, measurements_for(*ratio, side * side), side, seed);
}

DecoderOptions Learned::options(double noise, std::uint64_t seed) const {
  return {.noise = noise,
          .statistics = statistics ? &*statistics : nullptr,
          .lags = lags ? &*lags : nullptr,
          .dictionary = dictionary ? &*dictionary : nullptr,
          .model = model ? &*model : nullptr,
          .seed = seed};
}

bool uses_net(const std::vector<std::string>& methods) { return std::ranges::find(methods, "net") != methods.end(); }

bool uses_images(const std::vector<std::string>& methods) {
  return std::ranges::any_of(
      methods, [](const std::string& name) { return name == "lmmse" || name == "wiener" || name == "ksvd"; });
}

Learned read_learned(const std::string& train_folder, const std::filesystem::path& model,
                     const std::vector<std::string>& methods, Index block, std::uint64_t seed) {
  const auto wanted = [&](std::string_view name) { return std::ranges::find(methods, name) != methods.end(); };
  Learned learned;
  if (wanted("net")) {
    UNRECT_REQUIRE(!model.empty(), ErrorCode::kInvalidArgument, "--method net is learned: expected --model FILE.onnx");
    learned.model = read_unrolled(model);
  }
  const auto learner = std::ranges::find_if(
      methods, [](const std::string& name) { return name == "lmmse" || name == "wiener" || name == "ksvd"; });
  if (learner == methods.end()) return learned;
  UNRECT_REQUIRE(!train_folder.empty(), ErrorCode::kInvalidArgument, "--method {} learns: expected --train-folder DIR",
                 *learner);
  std::vector<Image> images;
  for (NamedImage& named : images_of(train_folder, Rng(seed).split(1))) images.push_back(std::move(named.image));
  if (wanted("lmmse")) {
    const auto statistics = [&] { return block_statistics(images, block); };
    learned.statistics = naming("--train-folder " + train_folder, statistics);
  }
  if (wanted("wiener")) learned.lags = pixel_statistics(images, 2 * block);
  if (wanted("ksvd")) {
    constexpr Index kSamples = 10000;
    Context context;
    context.seed = seed;
    const Matrix patches = random_patches(std::move(images), kPatchSide, kSamples, Rng(seed));
    learned.dictionary = learn_dictionary(patches, {}, context).atoms;
  }
  return learned;
}

}  // namespace unrect::cli
