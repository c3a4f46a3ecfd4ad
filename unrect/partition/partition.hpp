// The partition of a domain held in memory: one row a region, in the order of the refinement.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "unrect/base/array.hpp"
#include "unrect/partition/explore.hpp"
#include "unrect/partition/hash128.hpp"

namespace unrect {

/// Piece indices, units of them a row: a byte each while they fit.
class PieceTable {
 public:
  PieceTable() = default;
  /// wide: two bytes a piece.
  PieceTable(Index units, bool wide) : units_(static_cast<std::size_t>(units)), wide_(wide) {}

  std::size_t rows() const { return units_ == 0 ? 0 : bytes_.size() / row_bytes(); }
  Index units() const { return static_cast<Index>(units_); }
  bool wide() const { return wide_; }
  std::uint16_t operator()(std::size_t row, std::size_t unit) const {
    const std::uint8_t* at = bytes_.data() + row * row_bytes() + unit * (wide_ ? 2 : 1);
    return wide_ ? static_cast<std::uint16_t>(at[0] | at[1] << 8) : at[0];
  }
  std::vector<std::uint16_t> row(std::size_t row) const;
  /// Little-endian, row by row.
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  /// A row's bytes: equal rows have equal bytes.
  std::span<const std::uint8_t> bytes(std::size_t row) const { return bytes().subspan(row * row_bytes(), row_bytes()); }

  void append(std::span<const std::uint16_t> row);
  void append(const PieceTable& rows) { bytes_.insert(bytes_.end(), rows.bytes_.begin(), rows.bytes_.end()); }
  void reserve(std::size_t rows) { bytes_.reserve(rows * row_bytes()); }

  bool operator==(const PieceTable&) const = default;

 private:
  std::size_t row_bytes() const { return units_ * (wide_ ? 2 : 1); }

  std::size_t units_ = 0;
  bool wide_ = false;
  std::vector<std::uint8_t> bytes_;
};

/// What is kept of a region besides its pieces and a point inside.
struct Columns {
  bool vertices = false;
  bool maps = false;
  bool facets = false;
  bool keys = false;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.vertices, {"vertices", "its corners; in a plane counter-clockwise, with Detail::kRegions"});
    field(o.maps, {"maps", "its affine map, y(t)"});
    field(o.facets, {"facets", "the walls that bound it"});
    field(o.keys, {"keys", "facets, and what pairs them up; with Detail::kIncidence the facets have it anyway"});
  }
};

/// All regions, in the order of the refinement whatever the threads: a plain value. Lists of different lengths a region
/// stand end to end, region r's from starts[r] to starts[r + 1]. Columns that were not asked for are empty.
struct Partition {
  Index dimension = 0, outputs = 0;
  std::size_t regions = 0;
  PieceTable pieces;                    // regions × units, layer after layer
  std::vector<double> points;           // regions × dimension; NaN where
  std::vector<std::uint8_t> has_point;  // is 0: no point of doubles was found inside (RegionView), else 1
  std::vector<double> matrices;         // regions × outputs × dimension
  std::vector<double> constants;        // regions × outputs
  std::vector<std::uint64_t> vertex_starts;
  std::vector<double> vertices;  // × dimension
  std::vector<std::uint64_t> facet_starts;
  std::vector<std::int32_t> facet_units;  // the unit (column of pieces) whose break it is; −1 − s: the domain's side s
  std::vector<Hash128> facet_keys;        // only with keys

  /// A point inside the region; nothing where no point of doubles was found.
  std::optional<Vector> point(std::size_t region) const;
  /// The network's output over the region. @throws Error kInvalidArgument without maps.
  ParameterMap map(std::size_t region) const;
  /// The region's vertices, one a row. @throws Error kInvalidArgument without vertices.
  Matrix vertices_of(std::size_t region) const;

  /// Puts another part of the same refinement after this one.
  void append(const Partition& next);

  bool operator==(const Partition&) const = default;
};

/// Collects the whole partition. Memory: a byte a unit and 8 k a region, 20 bytes a facet.
/// @throws Error kCancelled if the progress callback says stop, kInvalidArgument for more than `max_regions`.
Partition partition_of(const Refinement& refinement, const Columns& columns = {}, const Context& context = {},
                       std::uint64_t max_regions = 1'000'000'000);

/// The arrays that files hold: pieces (regions × units, uint8 or uint16), points (regions × k) and has_point (regions,
/// uint8: 0 where no point of doubles was found inside; points has NaN there), and where they are there vertices and
/// vertex_starts, matrices (regions × outputs × k) and constants (regions × outputs), facet_units and facet_starts.
ArrayMap arrays_of(const Partition& partition);

}  // namespace unrect
