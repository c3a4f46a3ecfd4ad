#include "unrect/partition/partition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/partition/internal/facet_keys.hpp"
#include "unrect/partition/internal/gather.hpp"
#include "unrect/partition/internal/region_recorder.hpp"
#include "unrect/partition/internal/wall_forms.hpp"

namespace unrect {
namespace {

static_assert(std::endian::native == std::endian::little, "PieceTable and Array hold little-endian numbers");

// The seed of the pieces' random names: any number will do, as long as all parts of a partition share it.
constexpr std::uint64_t kSeed = 0x9bd1;

template <class T>
void put_end_to_end(std::vector<T>& out, const std::vector<T>& next) {
  out.insert(out.end(), next.begin(), next.end());
}

void join_starts(std::vector<std::uint64_t>& out, const std::vector<std::uint64_t>& next) {
  if (next.empty()) return;
  const std::uint64_t offset = out.back();
  std::ranges::transform(next.begin() + 1, next.end(), std::back_inserter(out),
                         [offset](std::uint64_t s) { return offset + s; });
}

template <class T>
Array array(DType type, std::vector<Index> shape, std::span<const T> values) {
  return {type, std::move(shape), std::string(reinterpret_cast<const char*>(values.data()), values.size_bytes())};
}

}  // namespace

std::vector<std::uint16_t> PieceTable::row(std::size_t row) const {
  std::vector<std::uint16_t> out(units_);
  for (std::size_t u = 0; u < units_; ++u) out[u] = (*this)(row, u);
  return out;
}

void PieceTable::append(std::span<const std::uint16_t> row) {
  const std::size_t end = bytes_.size();
  bytes_.resize(end + row_bytes());
  if (wide_) {
    std::memcpy(bytes_.data() + end, row.data(), row_bytes());
  } else {
    std::ranges::transform(row, bytes_.begin() + static_cast<std::ptrdiff_t>(end),
                           [](std::uint16_t piece) { return static_cast<std::uint8_t>(piece); });
  }
}

std::optional<Vector> Partition::point(std::size_t region) const {
  if (has_point[region] == 0) return {};
  return Eigen::Map<const Vector>(points.data() + region * static_cast<std::size_t>(dimension), dimension);
}

ParameterMap Partition::map(std::size_t region) const {
  UNRECT_REQUIRE(region * static_cast<std::size_t>(outputs) < constants.size(), ErrorCode::kInvalidArgument,
                 "partition: no map for region {}; expected a partition with maps", region);
  const std::size_t first = region * static_cast<std::size_t>(outputs);
  return {Eigen::Map<const Matrix>(matrices.data() + first * static_cast<std::size_t>(dimension), outputs, dimension),
          Eigen::Map<const Vector>(constants.data() + first, outputs)};
}

Matrix Partition::vertices_of(std::size_t region) const {
  UNRECT_REQUIRE(region + 1 < vertex_starts.size(), ErrorCode::kInvalidArgument,
                 "partition: no vertices for region {}; expected a partition with vertices", region);
  const std::uint64_t first = vertex_starts[region];
  return Eigen::Map<const Matrix>(vertices.data() + first * static_cast<std::size_t>(dimension),
                                  static_cast<Index>(vertex_starts[region + 1] - first), dimension);
}

void Partition::append(const Partition& next) {
  regions += next.regions;
  pieces.append(next.pieces);
  put_end_to_end(points, next.points);
  put_end_to_end(has_point, next.has_point);
  put_end_to_end(matrices, next.matrices);
  put_end_to_end(constants, next.constants);
  join_starts(vertex_starts, next.vertex_starts);
  put_end_to_end(vertices, next.vertices);
  join_starts(facet_starts, next.facet_starts);
  put_end_to_end(facet_units, next.facet_units);
  put_end_to_end(facet_keys, next.facet_keys);
}

RegionRecorder::RegionRecorder(const Refinement& refinement, const Columns& columns)
    : refinement_(&refinement),
      dimension_(refinement.domain().dimension()),
      outputs_(refinement.network().output_size()),
      units_(refinement.stages().units()),
      wide_(false),
      columns_(columns) {
  const Stages& stages = refinement.stages();
  first_unit_.assign(static_cast<std::size_t>(stages.size()), 0);
  for (std::size_t l = 0; l < stages.of_layer.size(); ++l) {
    const Stage& stage = stages[stages.of_layer[l]];
    first_unit_[static_cast<std::size_t>(stages.of_layer[l])] = stages.first_unit[l];
    wide_ |= (stage.maximum() != nullptr ? stage.maximum()->width : stage.piecewise()->pieces()) > 256;
  }
  UNRECT_REQUIRE(!columns.vertices || refinement.detail() == Detail::kIncidence || dimension_ <= kFewDimensions,
                 ErrorCode::kUnsupported,
                 "vertices of regions in {} dimensions: they are not known there; expected at most {}", dimension_,
                 kFewDimensions);
  const bool incidence = refinement.detail() == Detail::kIncidence;
  if (columns.keys || (columns.facets && incidence)) {
    require_relu_like(stages, "pairs of regions that share a facet");
    Rng rng(kSeed);
    keys_.emplace(stages, rng);
    if (!incidence) forms_ = std::make_unique<WallForms>(refinement);
  }
  partition_ = empty();
}

Partition RegionRecorder::empty() const {
  Partition out;
  out.dimension = dimension_;
  out.outputs = outputs_;
  out.pieces = PieceTable(units_, wide_);
  if (columns_.vertices) out.vertex_starts.push_back(0);
  if (columns_.facets || columns_.keys) out.facet_starts.push_back(0);
  return out;
}

void RegionRecorder::visit(RegionView& region) {
  Partition& p = partition_;
  const std::span<const std::uint16_t> pieces = region.pieces();
  ++p.regions;
  p.pieces.append(pieces);
  const std::optional<Vector> point = region.interior_point();
  p.has_point.push_back(point ? 1 : 0);
  if (point) {
    p.points.insert(p.points.end(), point->begin(), point->end());
  } else {
    p.points.insert(p.points.end(), static_cast<std::size_t>(dimension_), std::numeric_limits<double>::quiet_NaN());
  }
  if (columns_.vertices) {
    const Matrix vertices = region.vertices();
    p.vertices.insert(p.vertices.end(), vertices.data(), vertices.data() + vertices.size());
    p.vertex_starts.push_back(p.vertex_starts.back() + static_cast<std::uint64_t>(vertices.rows()));
  }
  if (columns_.maps) {
    const ParameterMap map = region.map();
    p.matrices.insert(p.matrices.end(), map.matrix.data(), map.matrix.data() + map.matrix.size());
    p.constants.insert(p.constants.end(), map.constant.begin(), map.constant.end());
  }
  if (p.facet_starts.empty()) return;
  const std::span<const Hyperplane> walls = region.walls();
  const auto put = [&](int wall_index) {
    const Hyperplane& wall = walls[static_cast<std::size_t>(wall_index)];
    const Index unit = wall.stage < 0 ? -1 - wall.row : first_unit_[static_cast<std::size_t>(wall.stage)] + wall.unit;
    p.facet_units.push_back(static_cast<std::int32_t>(unit));
  };
  if (forms_) {
    forms_->look_at(region);
    const Hash128 own = keys_->of(pieces);
    for (const int wall : region.facets()) {
      put(wall);
      p.facet_keys.push_back(
          p.facet_units.back() < 0 ? Hash128{} : forms_->key(*keys_, own, walls[static_cast<std::size_t>(wall)]));
    }
  } else if (keys_) {
    for (const KeyedFacet& facet :
         keys_->facets(keys_->of(pieces), region.walls_of_vertices(), walls, pieces, dimension_)) {
      put(facet.wall());
      p.facet_keys.push_back(facet.key);
    }
  } else {
    for (const int wall : region.facets()) put(wall);
  }
  p.facet_starts.push_back(p.facet_units.size());
}

Partition RegionRecorder::take() { return std::exchange(partition_, empty()); }

Partition partition_of(const Refinement& refinement, const Columns& columns, const Context& context,
                       std::uint64_t max_regions) {
  Exploration state;
  RegionRecorder recorder(refinement, columns);
  ExploreOptions options;
  options.max_regions = max_regions < ~std::uint64_t{0} ? max_regions + 1 : max_regions;
  std::vector<Partition> parts = gather(refinement, recorder, state, options, context);
  UNRECT_REQUIRE(state.counts.regions <= max_regions, ErrorCode::kInvalidArgument,
                 "partition: more than {} regions; expected at most that many in memory", max_regions);
  UNRECT_REQUIRE(state.complete(), ErrorCode::kCancelled, "partition: cancelled after {} regions",
                 state.counts.regions);
  Partition whole = recorder.take();
  const auto total = [&](auto column) {
    std::size_t sum = 0;
    for (const Partition& part : parts) sum += (part.*column).size();
    return sum;
  };
  const auto regions = static_cast<std::size_t>(state.counts.regions);  // they are in memory
  whole.pieces.reserve(regions);
  whole.has_point.reserve(regions);
  for (const auto column : {&Partition::points, &Partition::matrices, &Partition::constants, &Partition::vertices})
    (whole.*column).reserve(total(column));
  for (const auto column : {&Partition::vertex_starts, &Partition::facet_starts})
    (whole.*column).reserve(total(column) + 1);
  whole.facet_units.reserve(total(&Partition::facet_units));
  whole.facet_keys.reserve(total(&Partition::facet_keys));
  for (Partition& part : parts) whole.append(std::exchange(part, {}));  // each is freed as it is copied
  return whole;
}

ArrayMap arrays_of(const Partition& p) {
  const auto regions = static_cast<Index>(p.regions);
  ArrayMap out;
  out["pieces"] =
      array(p.pieces.wide() ? DType::kUInt16 : DType::kUInt8, {regions, p.pieces.units()}, p.pieces.bytes());
  const auto doubles = [&](const char* name, std::vector<Index> shape, const std::vector<double>& values) {
    out[name] = array(DType::kFloat64, std::move(shape), std::span(values));
  };
  doubles("points", {regions, p.dimension}, p.points);
  out["has_point"] = array(DType::kUInt8, {regions}, std::span(p.has_point));
  if (!p.constants.empty()) {
    doubles("matrices", {regions, p.outputs, p.dimension}, p.matrices);
    doubles("constants", {regions, p.outputs}, p.constants);
  }
  const auto starts = [&](const char* name, const std::vector<std::uint64_t>& values) {
    out[name] = array(DType::kInt64, {regions + 1}, std::span(values));
  };
  if (!p.vertex_starts.empty()) {
    starts("vertex_starts", p.vertex_starts);
    doubles("vertices", {static_cast<Index>(p.vertex_starts.back()), p.dimension}, p.vertices);
  }
  if (!p.facet_starts.empty()) {
    starts("facet_starts", p.facet_starts);
    out["facet_units"] = array(DType::kInt32, {static_cast<Index>(p.facet_units.size())}, std::span(p.facet_units));
  }
  return out;
}

}  // namespace unrect
