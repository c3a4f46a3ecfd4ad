// A partition too large for memory: one .npz file a work unit.
#pragma once

#include <filesystem>
#include <string>

#include "unrect/partition/partition.hpp"

namespace unrect {

/// Writes what arrays_of gives for the regions of each work unit, and the unit's `path` (uint16), into a folder. Files
/// are called <fingerprint of the partition>-<hash of the path>.npz, written aside and renamed: a unit that is done
/// twice writes the same bytes, so an exploration that was broken off goes on from its checkpoint into the same folder,
/// and so do many machines into one. Read in the order of the refinement, which is that of the paths, by
///
///     shards = sorted(map(np.load, glob.glob("folder/*.npz")), key=lambda s: s["path"].tolist())
///     pieces = np.concatenate([s["pieces"] for s in shards])
///
/// (vertex_starts and facet_starts count from 0 in every file.)
class ShardWriter {
 public:
  /// Makes the folder. @throws Error kFile where it cannot be made, kInvalidArgument for shards in it of another
  /// network or domain, or with other columns.
  ShardWriter(const Refinement& refinement, std::filesystem::path folder, const Columns& columns = {});

  /// The collectors throw Error kFile, naming the file, where it cannot be written; the state that explore() leaves is
  /// good to go on from.
  CollectorFactory collectors() const;
  /// How many of the regions that these collectors saw have no point (Partition::has_point).
  static std::uint64_t without_point(const RegionCounts& counts) { return counts.sums.empty() ? 0 : counts.sums[0]; }
  /// For ExploreOptions::purpose.
  const std::string& purpose() const { return purpose_; }

 private:
  Refinement refinement_;
  std::filesystem::path folder_;
  Columns columns_;
  std::string purpose_;
  std::string prefix_;  // of the names
};

}  // namespace unrect
