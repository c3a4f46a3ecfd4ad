// Images measured block by block.
#pragma once

#include <vector>

#include "unrect/signal/operator.hpp"

namespace unrect {

/// Where nothing else is said: a block's pixels a side.
inline constexpr Index kBlockSide = 33;

/// Of a square block with so many pixels; 0 if no square has.
Index block_side(Index pixels);

/// Blocks of which the same pixels, the first rows × cols, lie inside the image.
struct BlockGroup {
  Index rows, cols;
  std::vector<Index> blocks;  // their numbers in reading order
};

/// Inner blocks, and those that reach beyond the right edge, the lower edge, both: one to four groups.
/// @throws Error kInvalidArgument for an empty image or block < 1.
std::vector<BlockGroup> block_groups(Index height, Index width, Index block = kBlockSide);

/// The image's blocks in reading order, one a row (block × block, row by row); beyond the right and lower edge zeros.
/// @throws Error kInvalidArgument for an empty image or block < 1.
Matrix to_blocks(const MatrixRef& image, Index block = kBlockSide);
/// Undoes to_blocks, or is its adjoint: what stands beyond the edges is dropped.
/// @throws Error kInvalidArgument for another number of blocks.
Matrix from_blocks(const MatrixRef& blocks, Index height, Index width, Index block = kBlockSide);

/// Φ on every block of a height × width image given as one row; the measurements of the blocks follow one another.
/// Zeros beyond the edges are known, so they are no unknowns: ‖A‖ ≤ ‖Φ‖.
/// @throws Error kInvalidArgument unless Φ has block² columns.
LinearOperator block_sampling(const LinearOperator& phi, Index height, Index width, Index block = kBlockSide);

}  // namespace unrect
