#include "unrect/verify/internal/region_walk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/polytope/dense_lp.hpp"
#include "unrect/region/region.hpp"

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// How far beyond a facet the next region is looked for, in the domain's widths; how many facets of a point are tried.
constexpr double kBeyond = 1e-7;
constexpr std::size_t kFacets = 8;
// Constraints on inputs hold with so much to spare, relative to their terms: rounding must not move a point outside.
constexpr double kSpare = 1e-11;
// What counts as deeper, relative to the depth.
constexpr double kGain = 1e-12;

// The region's map and polytope; none where values overflow.
std::optional<std::pair<AffineMap, RegionPolytope>> region_of(const Network& network, const VectorRef& x) {
  try {
    return unrectify(network, x).affine_map_and_polytope();
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

RegionWalk::RegionWalk(const Network& network, const Query& query, const Attack& attack)
    : network_(&network), query_(&query), attack_(&attack) {
  for (Index j = 0; j < query.box.dimension(); ++j) {
    if (query.box.upper[j] > query.box.lower[j]) inputs_.push_back(j);
  }
}

// The deepest point of the closed region that `inside` lies in, within the domain.
std::optional<RegionWalk::Step> RegionWalk::deepest(const VectorRef& inside, const Halfspaces& target) const {
  const auto found = region_of(*network_, inside);
  if (!found) return std::nullopt;
  const auto& [map, polytope] = *found;
  const Halfspaces &walls = polytope.halfspaces, &others = query_->input_rows;
  const auto varying = static_cast<Index>(inputs_.size());
  const Index rows = target.size(), extra = rows > 1 ? 1 : 0;  // a variable for the smallest of several slacks
  // The target's slacks at x are free − slope x.
  const Matrix slope = target.normals * map.linear;
  const Vector free = target.offsets - target.normals * map.constant;
  Vector held = inside;  // the inputs that do not vary
  for (const Index j : inputs_) held[j] = 0;
  Halfspaces sides;
  const Index count = walls.size() + others.size() + (extra > 0 ? rows : 0);
  sides.normals.setZero(count, varying + extra);
  sides.offsets.resize(count);
  sides.offsets.head(walls.size()) = walls.offsets - walls.normals * held;
  const Vector most = query_->box.lower.cwiseAbs().cwiseMax(query_->box.upper.cwiseAbs());
  if (others.size() > 0)
    sides.offsets.segment(walls.size(), others.size()) =
        others.offsets - others.normals * held -
        kSpare * (others.normals.cwiseAbs() * most + others.offsets.cwiseAbs());
  Box box;
  box.lower.resize(varying + extra);
  box.upper.resize(varying + extra);
  Vector cost = Vector::Zero(varying + extra);
  for (Index d = 0; d < varying; ++d) {
    const Index j = inputs_[at(d)];
    sides.normals.col(d).head(walls.size()) = walls.normals.col(j);
    if (others.size() > 0) sides.normals.col(d).segment(walls.size(), others.size()) = others.normals.col(j);
    if (extra > 0) sides.normals.col(d).tail(rows) = slope.col(j);
    if (extra == 0) cost[d] = -slope(0, j);
    box.lower[d] = query_->box.lower[j];
    box.upper[d] = query_->box.upper[j];
  }
  if (extra > 0) {
    const double reach = (slope.cwiseAbs() * most + free.cwiseAbs()).maxCoeff() + 1;
    sides.normals.col(varying).tail(rows).setOnes();
    sides.offsets.tail(rows) = free - slope * held;
    box.lower[varying] = -reach;
    box.upper[varying] = reach;
    cost[varying] = 1;
  }
  if (!sides.normals.allFinite() || !sides.offsets.allFinite() || !cost.allFinite() || !box.upper.allFinite())
    return std::nullopt;
  DenseLp lp(sides, box);
  const LpResult& result = lp.maximize(cost);
  if (result.status != LpStatus::kOptimal) return std::nullopt;
  Step step;
  step.best.point = inside;
  for (Index d = 0; d < varying; ++d)
    step.best.point[inputs_[at(d)]] = std::clamp(result.x[d], box.lower[d], box.upper[d]);
  step.best.depth = attack_->depths(step.best.point.transpose())[0];
  // What the depth would gain beyond each wall that holds it back, a width further.
  const Vector width = query_->box.upper - query_->box.lower;
  std::vector<std::pair<double, Index>> gains;
  for (Index i = 0; i < walls.size(); ++i) {
    if (result.row_duals[i] > 0)
      gains.emplace_back(-result.row_duals[i] * walls.normals.row(i).transpose().cwiseProduct(width).norm(), i);
  }
  std::ranges::sort(gains);
  if (gains.size() > kFacets) gains.resize(kFacets);
  for (const auto& [gain, i] : gains) {
    const Vector outward = walls.normals.row(i).transpose().cwiseProduct(width);
    step.beyond.push_back(step.best.point + kBeyond / outward.norm() * outward.cwiseProduct(width));
  }
  return step;
}

Attack::Best RegionWalk::from(const VectorRef& start, int regions) const {
  Attack::Best best{start, attack_->depths(start.transpose())[0]};
  if (!possible() || !std::isfinite(best.depth)) return best;
  const Vector y = attack_->outputs(start.transpose()).transpose();
  const auto slack = [&](const Halfspaces& polytope) {
    return polytope.size() == 0 ? -std::numeric_limits<double>::infinity() : polytope.slacks(y).minCoeff();
  };
  const Halfspaces& target = *std::ranges::max_element(query_->unsafe, {}, slack);
  if (target.size() == 0) return best;
  std::vector<Vector> ways{start};
  for (int k = 0; k < regions && !ways.empty(); ++k) {
    const Vector way = std::move(ways.front());
    ways.erase(ways.begin());
    std::optional<Step> step = deepest(way, target);
    if (!step) continue;
    const bool deeper = step->best.depth > best.depth + kGain * std::abs(best.depth);
    if (!deeper && k > 0) continue;
    best = std::move(step->best);
    ways = std::move(step->beyond);
  }
  return best;
}

}  // namespace unrect
