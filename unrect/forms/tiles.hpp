// A sparse matrix as small dense tiles, as convolutions have them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// Rows that read the same columns stand side by side in a tile, columns that the same tiles read side by side in an
/// order of their own: of a convolution a tile is a pixel's channels, and reads a few runs of columns, its window's
/// rows. Equal weights are kept once, so that a convolution's are about as many as its kernel's.
struct Tiles {
  /// Columns at places first …, first + length − 1.
  struct Run {
    std::int32_t first = 0, length = 0;
    Index weight = 0;  // of its first column, `width` numbers a column
  };
  /// The rows at places first …, first + width − 1, padded to whole SIMD lanes.
  struct Tile {
    std::int32_t first = 0, width = 0;
    std::int32_t first_run = 0, last_run = 0;
  };

  Tiles() = default;
  /// A matrix of `size` rows by columns: column j is (row[e], weight[e]), start[j] ≤ e < start[j + 1]. Empty where
  /// tiles would not be worth it. O(entries · log entries).
  Tiles(std::span<const Index> start, std::span<const Index> row, std::span<const double> weight, Index size);

  bool empty() const { return tiles.empty(); }

  std::vector<Tile> tiles;
  std::vector<Run> runs;
  Vector weights;
  std::vector<std::int32_t> column;        // at each place
  std::vector<std::int32_t> column_place;  // of each column; −1 where nothing reads it
  std::vector<std::int32_t> row_place;     // of each row; `height` where it reads nothing
  Index height = 0;                        // places of rows
};

}  // namespace unrect
