#include "unrect/signal/blocks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

struct Grid {
  Index height, width, block, down, across;

  Grid(Index h, Index w, Index b) : height(h), width(w), block(b) {
    UNRECT_REQUIRE(h >= 1 && w >= 1 && b >= 1, ErrorCode::kInvalidArgument,
                   "image of {} × {} in blocks of {}, expected at least 1", h, w, b);
    down = (h + b - 1) / b;
    across = (w + b - 1) / b;
  }
  Index count() const { return down * across; }

  /// Calls visit(block index, row in block, image row, first column, columns) for every line of every block.
  template <class Visit>
  void for_lines(const Visit& visit) const {
    for (Index k = 0; k < count(); ++k) {
      const Index top = k / across * block, left = k % across * block;
      const Index columns = std::min(block, width - left);
      for (Index i = 0; i < std::min(block, height - top); ++i) visit(k, i, top + i, left, columns);
    }
  }
};

}  // namespace

Index block_side(Index pixels) {
  const Index side = std::llround(std::sqrt(static_cast<double>(std::max<Index>(pixels, 0))));
  return side * side == pixels ? side : 0;
}

std::vector<BlockGroup> block_groups(Index height, Index width, Index block) {
  const Grid grid(height, width, block);
  std::vector<BlockGroup> groups;
  for (Index k = 0; k < grid.count(); ++k) {
    const Index rows = std::min(block, height - k / grid.across * block);
    const Index cols = std::min(block, width - k % grid.across * block);
    const auto same = [&](const BlockGroup& group) { return group.rows == rows && group.cols == cols; };
    auto at = std::ranges::find_if(groups, same);
    if (at == groups.end()) at = groups.insert(at, {rows, cols, {}});
    at->blocks.push_back(k);
  }
  return groups;
}

Matrix to_blocks(const MatrixRef& image, Index block) {
  const Grid grid(image.rows(), image.cols(), block);
  Matrix blocks = Matrix::Zero(grid.count(), block * block);
  grid.for_lines([&](Index k, Index i, Index row, Index left, Index columns) {
    blocks.row(k).segment(i * block, columns) = image.row(row).segment(left, columns);
  });
  return blocks;
}

Matrix from_blocks(const MatrixRef& blocks, Index height, Index width, Index block) {
  const Grid grid(height, width, block);
  UNRECT_REQUIRE(blocks.rows() == grid.count() && blocks.cols() == block * block, ErrorCode::kInvalidArgument,
                 "{} blocks of {} pixels, expected {} of {}", blocks.rows(), blocks.cols(), grid.count(),
                 block * block);
  Matrix image(height, width);
  grid.for_lines([&](Index k, Index i, Index row, Index left, Index columns) {
    image.row(row).segment(left, columns) = blocks.row(k).segment(i * block, columns);
  });
  return image;
}

LinearOperator block_sampling(const LinearOperator& phi, Index height, Index width, Index block) {
  const Grid grid(height, width, block);
  UNRECT_REQUIRE(phi.cols() == block * block, ErrorCode::kInvalidArgument,
                 "operator on {} pixels for blocks of {}, expected {}", phi.cols(), block, block * block);
  const Index count = grid.count(), measured = phi.rows();
  const auto apply = [=](const MatrixRef& images) {
    Matrix y(images.rows(), count * measured);
    for (Index i = 0; i < images.rows(); ++i) {
      const Eigen::Map<const Matrix> image(images.row(i).data(), height, width);
      Eigen::Map<Matrix>(y.row(i).data(), count, measured) = phi.apply_rows(to_blocks(image, block));
    }
    return y;
  };
  const auto adjoint = [=](const MatrixRef& y) {
    Matrix images(y.rows(), height * width);
    for (Index i = 0; i < y.rows(); ++i) {
      const Eigen::Map<const Matrix> blocks(y.row(i).data(), count, measured);
      Eigen::Map<Matrix>(images.row(i).data(), height, width) =
          from_blocks(phi.adjoint_rows(blocks), height, width, block);
    }
    return images;
  };
  return {count * measured, height * width, apply, adjoint};
}

}  // namespace unrect
