#include "unrect/partition/shards.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/partition/internal/region_recorder.hpp"

namespace unrect {
namespace {

class ShardCollector final : public Collector {
 public:
  ShardCollector(RegionRecorder recorder, std::filesystem::path folder, std::string prefix)
      : recorder_(std::move(recorder)), folder_(std::move(folder)), prefix_(std::move(prefix)) {}

  bool visit(RegionView& region) override {
    recorder_.visit(region);
    return true;
  }

  void finish(const WorkUnit& unit, RegionCounts& counts) override {
    const Partition regions = recorder_.take();
    counts.sums = {static_cast<std::uint64_t>(std::ranges::count(regions.has_point, 0))};
    ArrayMap arrays = arrays_of(regions);
    const std::vector<std::uint16_t>& path = unit.path;
    arrays["path"] = {DType::kUInt16,
                      {static_cast<Index>(path.size())},
                      std::string(reinterpret_cast<const char*>(path.data()), path.size() * sizeof path[0])};
    std::uint64_t hash = mix(path.size());
    for (const std::uint16_t step : path) hash = mix(hash ^ step);
    write_npz(folder_ / fmt::format("{}{:016x}.npz", prefix_, hash), arrays);
  }

 private:
  RegionRecorder recorder_;
  std::filesystem::path folder_;
  std::string prefix_;
};

}  // namespace

ShardWriter::ShardWriter(const Refinement& refinement, std::filesystem::path folder, const Columns& columns)
    : refinement_(refinement), folder_(std::move(folder)), columns_(columns), purpose_("shards of regions") {
  if (columns.vertices) purpose_ += ", vertices";
  if (columns.maps) purpose_ += ", maps";
  if (columns.facets) purpose_ += ", facets";
  std::uint64_t hash = fingerprint(refinement) ^ static_cast<std::uint64_t>(refinement.detail());
  for (const char c : purpose_) hash = mix(hash ^ static_cast<std::uint64_t>(c));
  prefix_ = fmt::format("{:016x}-", hash);
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  UNRECT_REQUIRE(std::filesystem::is_directory(folder_), ErrorCode::kFile, "{}: cannot make this folder ({})",
                 folder_.string(), error.message());
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    UNRECT_REQUIRE(entry.path().extension() != ".npz" || entry.path().filename().string().starts_with(prefix_),
                   ErrorCode::kInvalidArgument, "{}: not a shard of this partition ({}); expected a folder of its own",
                   entry.path().string(), purpose_);
  }
  UNRECT_REQUIRE(!error, ErrorCode::kFile, "{}: cannot be listed ({})", folder_.string(), error.message());
}

CollectorFactory ShardWriter::collectors() const {
  return [recorder = RegionRecorder(refinement_, columns_), folder = folder_, prefix = prefix_] {
    return std::make_unique<ShardCollector>(recorder, folder, prefix);
  };
}

}  // namespace unrect
