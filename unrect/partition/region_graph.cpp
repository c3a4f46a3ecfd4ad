#include "unrect/partition/region_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <tuple>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/internal/filter.hpp"
#include "unrect/forms/stages.hpp"

namespace unrect {
namespace {

// Sets of regions, each with its smallest one as the root.
class Union {
 public:
  explicit Union(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), 0u); }
  std::uint32_t root(std::uint32_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::uint32_t i, std::uint32_t j) {
    std::tie(i, j) = std::minmax({root(i), root(j)});
    parent_[j] = i;
  }

 private:
  std::vector<std::uint32_t> parent_;
};

// Follows what a switch of pieces can change, stage by stage up to the output.
class Reach {
 public:
  explicit Reach(const Stages& stages) : stages_(stages) {
    for (const Stage& stage : stages.stages) {
      z_.emplace_back(at(stage.size));
      a_.emplace_back(at(stage.units()));
    }
  }

  // False: the maps of the two configurations are equal, whatever the weights that are not zero.
  bool gets_to_output(const PieceTable& pieces, std::size_t one, std::size_t other) {
    for (int s = 1; s < stages_.size(); ++s) {
      const Stage& stage = stages_[s];
      std::vector<char>& z = z_[at(s)];
      std::ranges::fill(z, 0);
      for (const Link& link : stage.links) spread(link, a_[at(link.source)], z);
      std::vector<char>& a = a_[at(s)];
      if (stage.layer < 0) {
        a = z;
        continue;
      }
      const Piecewise& f = *stage.piecewise();
      const Index first = stages_.first_unit[at(stage.layer)];
      for (Index i = 0; i < stage.size; ++i) {
        const std::uint16_t piece = pieces(one, at(first + i));
        a[at(i)] = pieces(other, at(first + i)) != piece || (z[at(i)] != 0 && f.slopes(f.row_of(i), piece) != 0);
      }
    }
    return std::ranges::find(z_.back(), 1) != z_.back().end();
  }

 private:
  static void spread(const Link& link, const std::vector<char>& from, std::vector<char>& to) {
    for (std::size_t j = 0; j < from.size(); ++j) {
      if (from[j] == 0) continue;
      if (link.dense()) {
        const double* column = link.columns.data() + static_cast<Index>(j) * link.columns.cols();
        for (std::size_t i = 0; i < to.size(); ++i) to[i] |= static_cast<char>(column[i] != 0);
      } else {
        for (Index e = link.start[j]; e < link.start[j + 1]; ++e)
          to[at(link.row[at(e)])] |= static_cast<char>(link.weight[at(e)] != 0);
      }
    }
  }

  const Stages& stages_;
  std::vector<std::vector<char>> z_, a_;  // of each stage: whether the unit's form can differ
};

}  // namespace

Adjacency adjacency(const Partition& partition) {
  const std::size_t facets = partition.facet_units.size();
  UNRECT_REQUIRE(partition.facet_starts.size() == partition.regions + 1 && partition.facet_keys.size() == facets,
                 ErrorCode::kInvalidArgument, "adjacency: a partition without facet keys; expected Columns::keys");
  struct Side {
    std::uint64_t key;
    std::uint32_t region;
    std::uint32_t facet;  // of the region
  };
  std::vector<Side> sides;
  sides.reserve(facets);
  for (std::size_t r = 0; r < partition.regions; ++r) {
    const auto first = static_cast<std::size_t>(partition.facet_starts[r]);
    for (std::size_t f = first; f < partition.facet_starts[r + 1]; ++f) {
      if (partition.facet_units[f] < 0) continue;
      sides.push_back(
          {partition.facet_keys[f].a, static_cast<std::uint32_t>(r), static_cast<std::uint32_t>(f - first)});
    }
  }
  const auto rest = [&](const Side& s) {
    return partition.facet_keys[static_cast<std::size_t>(partition.facet_starts[s.region]) + s.facet].b;
  };
  std::ranges::sort(sides, [&](const Side& x, const Side& y) {
    if (x.key != y.key) return x.key < y.key;
    return std::tuple(rest(x), x.region) < std::tuple(rest(y), y.region);
  });
  Adjacency out;
  out.pairs.reserve(sides.size() / 2);
  for (std::size_t i = 0; i < sides.size();) {
    std::size_t end = i + 1;
    while (end < sides.size() && sides[end].key == sides[i].key && rest(sides[end]) == rest(sides[i])) ++end;
    if (end - i == 2) {
      out.pairs.push_back({sides[i].region, sides[i + 1].region});
    } else {
      out.unpaired += end - i;
    }
    i = end;
  }
  std::ranges::sort(out.pairs);
  out.starts.reserve(out.pairs.size() + 1);
  out.units.reserve(out.pairs.size());
  out.starts.push_back(0);
  const PieceTable& pieces = partition.pieces;
  const std::size_t bytes = pieces.wide() ? 2 : 1;
  for (const auto& [a, b] : out.pairs) {
    const std::span<const std::uint8_t> one = pieces.bytes(a);
    const std::span<const std::uint8_t> other = pieces.bytes(b);
    for (auto [x, y] = std::ranges::mismatch(one, other); x != one.end();) {
      const auto unit = static_cast<std::size_t>(x - one.begin()) / bytes;
      out.units.push_back(static_cast<std::uint32_t>(unit));
      const auto next = static_cast<std::ptrdiff_t>((unit + 1) * bytes);
      std::tie(x, y) = std::mismatch(one.begin() + next, one.end(), other.begin() + next);
    }
    out.starts.push_back(out.units.size());
  }
  return out;
}

DistinctMaps distinct_maps(const Refinement& refinement, const Partition& partition, const Adjacency& adjacency) {
  const Stages& stages = refinement.stages();
  const Index k = partition.dimension;
  const Index outputs = partition.outputs;
  UNRECT_REQUIRE(partition.constants.size() == partition.regions * at(outputs), ErrorCode::kInvalidArgument,
                 "distinct maps: a partition without maps; expected Columns::maps");
  UNRECT_REQUIRE(adjacency.unpaired == 0, ErrorCode::kInvalidArgument,
                 "distinct maps: {} facets have no other side; expected a complete partition", adjacency.unpaired);
  UNRECT_REQUIRE(partition.pieces.units() == stages.units() && k == refinement.domain().dimension() &&
                     outputs == refinement.network().output_size(),
                 ErrorCode::kInvalidArgument, "distinct maps: the partition is of another refinement");
  const Vector doubt = 2 * filters_of(stages, refinement.domain()).back().gradient_error.head(outputs);
  ExactForms exact(stages, refinement.domain());
  Reach reach(stages);
  DistinctMaps out;
  const auto differ = [&](std::uint32_t a, std::uint32_t b) {
    const double* one = partition.matrices.data() + static_cast<Index>(a) * outputs * k;
    const double* other = partition.matrices.data() + static_cast<Index>(b) * outputs * k;
    for (Index i = 0; i < outputs; ++i) {
      double difference = 0;
      for (Index d = 0; d < k; ++d) difference += std::abs(one[i * k + d] - other[i * k + d]);
      // Rounded sums and differences take away less than this of a difference.
      if (difference * (1 - 1e-12) > doubt[i]) return true;
    }
    if (!reach.gets_to_output(partition.pieces, a, b)) return false;
    ++out.exact_decisions;
    return !exact.same_map(partition.pieces.row(a), partition.pieces.row(b));
  };
  Union sets(partition.regions);
  for (const auto& [a, b] : adjacency.pairs) {
    if (!differ(a, b)) sets.join(a, b);
  }
  out.of_region.resize(partition.regions);
  for (std::uint32_t r = 0; r < out.of_region.size(); ++r) {
    const std::uint32_t root = sets.root(r);
    out.of_region[r] = root == r ? static_cast<std::uint32_t>(out.count++) : out.of_region[root];
  }
  return out;
}

RefinementTree refinement_tree(const Partition& partition, const std::vector<Index>& first_unit) {
  UNRECT_REQUIRE(!first_unit.empty() && first_unit.back() == partition.pieces.units(), ErrorCode::kInvalidArgument,
                 "refinement tree: layers of {} units together; the partition has {}",
                 first_unit.empty() ? 0 : first_unit.back(), partition.pieces.units());
  const std::size_t layers = first_unit.size() - 1;
  RefinementTree tree;
  tree.first_region.resize(layers);
  tree.parents.resize(layers);
  for (std::size_t r = 0; r < partition.regions; ++r) {
    // The first layer in which this region differs from the one before.
    std::size_t fresh = 0;
    if (r > 0) {
      const std::span<const std::uint8_t> here = partition.pieces.bytes(r);
      const auto differs = std::ranges::mismatch(here, partition.pieces.bytes(r - 1)).in1 - here.begin();
      const Index unit = differs / (partition.pieces.wide() ? 2 : 1);
      fresh = at(std::ranges::upper_bound(first_unit, unit) - first_unit.begin()) - 1;
    }
    for (std::size_t l = fresh; l < layers; ++l) {
      tree.first_region[l].push_back(static_cast<std::uint32_t>(r));
      tree.parents[l].push_back(l == 0 ? 0 : static_cast<std::uint32_t>(tree.first_region[l - 1].size()) - 1);
    }
  }
  for (std::vector<std::uint32_t>& first : tree.first_region)
    first.push_back(static_cast<std::uint32_t>(partition.regions));
  return tree;
}

}  // namespace unrect
