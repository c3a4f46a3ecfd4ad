#include "unrect/partition/decision_boundary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/partition/internal/gather.hpp"

namespace unrect {
namespace {

// A corner of the part of a region where one output wins, and the edge that leaves it.
struct Corner {
  Eigen::Vector2d t;
  int rival;  // the output that wins beyond the edge; −1: the edge is the region's own
};
using Polygon = std::vector<Corner>;

class BoundaryRecorder {
 public:
  void visit(RegionView& region) {
    ParameterMap map = region.map();
    const bool single = map.constant.size() == 1;
    if (single) {
      map.matrix.conservativeResizeLike(Matrix::Zero(2, 2));
      map.constant.conservativeResizeLike(Vector::Zero(2));
    }
    const Matrix vertices = region.vertices();
    const Matrix y = (vertices * map.matrix.transpose()).rowwise() + map.constant.transpose();
    const Vector reach = vertices.cwiseAbs().colwise().maxCoeff();
    size_ = map.matrix.cwiseAbs() * reach + map.constant.cwiseAbs();
    if (has_winner(y)) return;
    Polygon whole;
    for (Index v = 0; v < vertices.rows(); ++v) whole.push_back({vertices.row(v).transpose(), -1});
    for (int i = 0; i < y.cols(); ++i) {
      const Polygon won = part_of(whole, map, i);
      for (std::size_t c = 0; c < won.size(); ++c) {
        const Eigen::Vector2d& to = won[c + 1 < won.size() ? c + 1 : 0].t;
        if (won[c].rival > i && won[c].t != to) found_.push_back({won[c].t, to, i, single ? -1 : won[c].rival});
      }
    }
  }

  std::vector<BoundarySegment> take() { return std::exchange(found_, {}); }

 private:
  // Differences of two outputs below this are rounding.
  double doubt(Index i, Index j) const { return 1e-14 * (size_[i] + size_[j]); }

  // One output above all others at every vertex: so it is everywhere between them.
  bool has_winner(const Matrix& y) const {
    Index best = 0;
    y.row(0).maxCoeff(&best);
    for (Index j = 0; j < y.cols(); ++j) {
      if (j != best && (y.col(best) - y.col(j)).minCoeff() <= doubt(best, j)) return false;
    }
    return true;
  }

  // Where output i wins. A tie all over goes to the first.
  Polygon part_of(Polygon part, const ParameterMap& map, int i) {
    for (int j = 0; j < map.constant.size() && !part.empty(); ++j) {
      if (j == i) continue;
      const Eigen::Vector2d slope = map.matrix.row(i) - map.matrix.row(j);
      const double constant = map.constant[i] - map.constant[j];
      value_.clear();
      for (const Corner& corner : part) {
        const double value = slope.dot(corner.t) + constant;
        value_.push_back(std::abs(value) > doubt(i, j) ? value : 0);
      }
      const auto [low, high] = std::ranges::minmax(value_);
      if (high <= 0 && (low < 0 || j < i)) return {};
      if (low > 0 || high <= 0) continue;
      cut(part, j);
    }
    return part;
  }

  // Keeps the side where value_ is positive.
  void cut(Polygon& part, int rival) {
    kept_.clear();
    for (std::size_t c = 0; c < part.size(); ++c) {
      const std::size_t next = c + 1 < part.size() ? c + 1 : 0;
      const double here = value_[c];
      const double there = value_[next];
      if (here > 0) kept_.push_back(part[c]);
      if (here == 0) kept_.push_back({part[c].t, there > 0 ? part[c].rival : rival});
      if (here * there < 0) {
        const Eigen::Vector2d t = part[c].t + here / (here - there) * (part[next].t - part[c].t);
        kept_.push_back({t, here > 0 ? rival : part[c].rival});
      }
    }
    std::swap(part, kept_);
  }

  Vector size_;  // of each output: Σ |terms|
  std::vector<double> value_;
  Polygon kept_;
  std::vector<BoundarySegment> found_;
};

}  // namespace

std::vector<BoundarySegment> decision_boundary(const Refinement& refinement, const Context& context) {
  UNRECT_REQUIRE(refinement.domain().dimension() == 2, ErrorCode::kInvalidArgument,
                 "decision boundary: a domain of {} dimensions; expected 2", refinement.domain().dimension());
  UNRECT_REQUIRE(refinement.detail() == Detail::kRegions, ErrorCode::kInvalidArgument,
                 "decision boundary: a refinement with incidence; expected Detail::kRegions");
  Exploration state;
  std::vector<BoundarySegment> out;
  for (const std::vector<BoundarySegment>& part : gather(refinement, BoundaryRecorder(), state, {}, context))
    std::ranges::copy(part, std::back_inserter(out));
  UNRECT_REQUIRE(state.complete(), ErrorCode::kCancelled, "decision boundary: cancelled after {} regions",
                 state.counts.regions);
  return out;
}

}  // namespace unrect
