// What the verbs that measure images share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/sensing/decoders.hpp"

namespace unrect::cli {

/// Φ as it is drawn or read.
struct SensingOptions {
  std::optional<double> ratio;
  std::string kind{name_of(SensingKind::kGaussian)};
  std::filesystem::path phi;  // instead of the two above
  std::optional<Index> block;
  std::uint64_t seed = Context{}.seed;

  void add_to(CLI::App& verb);
  /// @throws Error for options that do not go together or cannot be.
  Sampling sampling() const;
};

/// What methods look at that learn, or were trained.
struct Learned {
  std::optional<BlockStatistics> statistics;  // lmmse
  std::optional<PixelStatistics> lags;        // wiener
  std::optional<Matrix> dictionary;           // ksvd
  std::optional<Unrolled> model;              // net

  /// Points into this.
  DecoderOptions options(double noise, std::uint64_t seed) const;
};

/// Whether any of them is the network, or learns from images.
bool uses_net(const std::vector<std::string>& methods);
bool uses_images(const std::vector<std::string>& methods);
inline constexpr const char* kLearners = "lmmse, wiener or ksvd, which learn from it";

/// What some of `methods` need, from the images of a folder and a network's file. @throws Error where they are missing.
Learned read_learned(const std::string& train_folder, const std::filesystem::path& model,
                     const std::vector<std::string>& methods, Index block, std::uint64_t seed);

}  // namespace unrect::cli
