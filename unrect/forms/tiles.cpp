#include "unrect/forms/tiles.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "unrect/base/internal/at.hpp"

namespace unrect {
namespace {

constexpr std::int32_t kLane = 8;

// Groups the numbers of equal patterns, in the order of each group's first member.
std::vector<std::vector<Index>> groups_of(const std::vector<std::vector<Index>>& patterns) {
  std::map<std::vector<Index>, std::size_t> known;
  std::vector<std::vector<Index>> groups;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (patterns[i].empty()) continue;
    const auto [place, is_new] = known.try_emplace(patterns[i], groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(static_cast<Index>(i));
  }
  return groups;
}

}  // namespace

Tiles::Tiles(std::span<const Index> start, std::span<const Index> row, std::span<const double> weight, Index size) {
  const Index columns = static_cast<Index>(start.size()) - 1;
  std::vector<std::vector<Index>> columns_of(at(size));
  for (Index j = 0; j < columns; ++j) {
    for (Index e = start[at(j)]; e < start[at(j) + 1]; ++e) columns_of[at(row[at(e)])].push_back(j);
  }
  const std::vector<std::vector<Index>> row_groups = groups_of(columns_of);
  // Tiles are worth it where more than half of the lanes are at work, and that work is more than finding out which
  // columns are active.
  std::size_t area = 0;
  for (const std::vector<Index>& rows : row_groups) {
    area += (rows.size() + kLane - 1) / kLane * kLane * columns_of[at(rows.front())].size();
  }
  if (row.size() * 2 < area || area < 64 * row_groups.size()) return;

  std::vector<std::vector<Index>> readers(at(columns));
  row_place.assign(at(size), 0);
  for (std::size_t g = 0; g < row_groups.size(); ++g) {
    const std::vector<Index>& rows = row_groups[g];
    const auto width = static_cast<std::int32_t>((rows.size() + kLane - 1) / kLane * kLane);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      row_place[at(rows[i])] = static_cast<std::int32_t>(height) + static_cast<std::int32_t>(i);
    }
    for (const Index j : columns_of[at(rows.front())]) readers[at(j)].push_back(static_cast<Index>(g));
    tiles.push_back({static_cast<std::int32_t>(height), width, 0, 0});
    height += width;
  }
  for (Index i = 0; i < size; ++i) {
    if (columns_of[at(i)].empty()) row_place[at(i)] = static_cast<std::int32_t>(height);
  }
  column_place.assign(at(columns), -1);
  for (const std::vector<Index>& group : groups_of(readers)) {
    for (const Index j : group) {
      column_place[at(j)] = static_cast<std::int32_t>(column.size());
      column.push_back(static_cast<std::int32_t>(j));
    }
  }

  std::map<std::vector<double>, Index> known;
  std::vector<double> numbers;
  for (std::size_t g = 0; g < tiles.size(); ++g) {
    Tile& tile = tiles[g];
    std::vector<std::int32_t> places;
    for (const Index j : columns_of[at(row_groups[g].front())]) places.push_back(column_place[at(j)]);
    std::ranges::sort(places);
    tile.first_run = static_cast<std::int32_t>(runs.size());
    for (std::size_t i = 0; i < places.size();) {
      Run run{places[i], 0, 0};
      std::vector<double> block;
      for (; i < places.size() && places[i] == run.first + run.length; ++i, ++run.length) {
        const Index j = column[at(places[i])];
        block.resize(block.size() + at(tile.width), 0.0);
        for (Index e = start[at(j)]; e < start[at(j) + 1]; ++e) {
          const std::int32_t in_tile = row_place[at(row[at(e)])] - tile.first;
          if (in_tile >= 0 && in_tile < tile.width) block[at(run.length * tile.width + in_tile)] += weight[at(e)];
        }
      }
      const auto [place, is_new] = known.try_emplace(std::move(block), static_cast<Index>(numbers.size()));
      if (is_new) numbers.insert(numbers.end(), place->first.begin(), place->first.end());
      run.weight = place->second;
      runs.push_back(run);
    }
    tile.last_run = static_cast<std::int32_t>(runs.size());
  }
  weights = Eigen::Map<const Vector>(numbers.data(), static_cast<Index>(numbers.size()));
}

}  // namespace unrect
