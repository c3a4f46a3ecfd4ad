// What the verbs that measure images share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "unrect/sensing/decoders.hpp"

namespace unrect::cli {

/// Φ as it is drawn or read, and the noise.
struct SensingOptions {
  std::optional<double> ratio;
  std::string kind = "gaussian";
  std::filesystem::path phi;  // instead of the two above
  std::optional<Index> block;
  std::uint64_t seed = 0;
  double noise = 0;

  void add_to(CLI::App& verb);
  /// @throws Error for options that do not go together or cannot be.
  Sampling sampling() const;
};

/// Of the images in a folder; nothing where `folder` is empty and no method asks for it. @throws Error.
std::optional<BlockStatistics> read_statistics(const std::filesystem::path& folder,
                                               const std::vector<std::string>& methods, Index block);
/// The recovery network in a file; nothing where `file` is empty and no method asks for it. @throws Error.
std::optional<Unrolled> read_model(const std::filesystem::path& file, const std::vector<std::string>& methods);

}  // namespace unrect::cli
