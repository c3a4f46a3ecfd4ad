#include <utility>
#include <vector>

#include "unrect/forms/internal/forms.hpp"
#include "unrect/forms/internal/lanes.hpp"

namespace unrect {
namespace {

using lanes::all;
using lanes::kWidth;
using lanes::Lane;
using lanes::load;
using lanes::multiply_add;
using lanes::store;

// kRows coefficients of kLanes registers of units at once, held there while the active columns pass by.
template <int kRows, int kLanes>
void add_block(const Link& link, std::span<const Index> active, const Forms& a, Index row, const Forms& base,
               Forms& out, Index unit) {
  Lane sum[kRows][kLanes];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int l = 0; l < kLanes; ++l) sum[r][l] = load(base.row(row + r) + unit + kWidth * l);
  }
  const double* columns = link.columns.data() + unit;
  const Index stride = link.columns.cols();
  const double* coefficients = a.row(row);
  const Index step = a.stride();
  for (const Index j : active) {
    const double* column = columns + j * stride;
    Lane weight[kLanes];
#pragma GCC unroll 8
    for (int l = 0; l < kLanes; ++l) weight[l] = load(column + kWidth * l);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Lane c = all(coefficients[r * step + j]);
#pragma GCC unroll 8
      for (int l = 0; l < kLanes; ++l) sum[r][l] = multiply_add(weight[l], c, sum[r][l]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int l = 0; l < kLanes; ++l) store(out.row(row + r) + unit + kWidth * l, sum[r][l]);
  }
}

// As few passes over the columns as registers allow, of about equal width: narrow ones wait for their sums.
template <int kRows, int kLanes>
void add_rows(const Link& link, std::span<const Index> active, const Forms& a, Index row, const Forms& base,
              Forms& out) {
  Index lanes = out.stride() / kWidth;
  Index unit = 0;
  for (Index passes = (lanes + kLanes - 1) / kLanes; passes > 0; --passes) {
    const Index width = (lanes + passes - 1) / passes;
    [&]<int... kLess>(std::integer_sequence<int, kLess...>) {
      (void)((width == kLanes - kLess &&
              (add_block<kRows, kLanes - kLess>(link, active, a, row, base, out, unit), true)) ||
             ...);
    }(std::make_integer_sequence<int, kLanes>());
    lanes -= width;
    unit += width * kWidth;
  }
}

// Few entries: each one's targets in turn.
template <int kRows>
void add_few(const Link& link, std::span<const Index> active, const Forms& a, Index row, Forms& out) {
  const Index* const rows = link.row.data();
  const double* const weights = link.weight.data();
  double* target[kRows];
  for (int d = 0; d < kRows; ++d) target[d] = out.row(row + d);
  for (const Index j : active) {
    double c[kRows];
    for (int d = 0; d < kRows; ++d) c[d] = a.row(row + d)[j];
    const auto first = static_cast<std::size_t>(link.start[static_cast<std::size_t>(j)]);
    const auto last = static_cast<std::size_t>(link.start[static_cast<std::size_t>(j) + 1]);
    for (std::size_t e = first; e < last; ++e) {
      for (int d = 0; d < kRows; ++d) target[d][rows[e]] += weights[e] * c[d];
    }
  }
}

// Many columns: a unit's kRows coefficients side by side, so that a weight is one short vector operation.
template <int kRows>
void add_many(const Link& link, std::span<const Index> active, const Forms& a, Forms& out) {
  const Index rows = out.dimension() + 1;
  thread_local std::vector<double> scratch;
  scratch.assign(static_cast<std::size_t>(out.size() * kRows), 0.0);
  double* const sums = scratch.data();
  for (const Index j : active) {
    double c[kRows] = {};
    for (Index d = 0; d < rows; ++d) c[d] = a.row(d)[j];
    const auto first = static_cast<std::size_t>(link.start[static_cast<std::size_t>(j)]);
    const auto last = static_cast<std::size_t>(link.start[static_cast<std::size_t>(j) + 1]);
    for (std::size_t e = first; e < last; ++e) {
      double* const target = sums + link.row[e] * kRows;
      const double w = link.weight[e];
      for (int d = 0; d < kRows; ++d) target[d] += w * c[d];
    }
  }
  for (Index d = 0; d < rows; ++d) {
    double* const target = out.row(d);
    for (Index i = 0; i < out.size(); ++i) target[i] += sums[i * kRows + d];
  }
}

// The active columns of a product of tiles, and which of them have changed since the last product.
struct Columns {
  std::vector<Index> place;  // of each active one, ascending: a run of places is a range of them
  PlaceSet active, changed;  // changed: since the last product

  // Moves the last product's columns on to these.
  template <int kRows>
  void take(const Tiles& tiles, std::span<const Index> columns, const Forms& a, Index row, LastProduct::Part& last) {
    active.clear(tiles.column.size());
    for (const Index j : columns) {
      const std::int32_t p = tiles.column_place[static_cast<std::size_t>(j)];
      if (p >= 0) active.insert(p);
    }
    changed.clear(tiles.column.size());
    place.resize(static_cast<std::size_t>(active.count()));
    Index* next = place.data();
    for (std::size_t w = 0; w < active.bits.size(); ++w) {
      std::uint64_t differ = active.bits[w] ^ last.active.bits[w];
      for (std::uint64_t bits = active.bits[w]; bits != 0; bits &= bits - 1) {
        const Index p = static_cast<Index>(64 * w) + std::countr_zero(bits);
        const Index j = tiles.column[static_cast<std::size_t>(p)];
        *next++ = p;
        double* const coefficient = last.coefficient.data() + p * LastProduct::kRows;
        std::uint64_t difference = 0;
        for (int r = 0; r < kRows; ++r) {
          const double c = a.row(row + r)[j];
          difference |= std::bit_cast<std::uint64_t>(c) ^ std::bit_cast<std::uint64_t>(coefficient[r]);
          coefficient[r] = c;
        }
        differ |= std::uint64_t{difference != 0} << (p % 64);
      }
      changed.bits[w] = differ;
    }
    changed.count();
    std::swap(active.bits, last.active.bits);
    std::swap(active.before, last.active.before);
  }
};

// sums = tile · the active columns, for kLanes registers of its rows; two sets of sums where few would wait for each
// other.
template <int kRows, int kLanes>
void add_tile(const Tiles& tiles, const Tiles::Tile& tile, Index lane, const Columns& columns,
              LastProduct::Part& part) {
  constexpr int kSets = kRows * kLanes <= 8 ? 2 : 1;
  Lane sum[kSets][kRows][kLanes];
  const auto add = [&](Lane(&to)[kRows][kLanes], const double* weights, const double* coefficients) {
    Lane weight[kLanes];
#pragma GCC unroll 8
    for (int l = 0; l < kLanes; ++l) weight[l] = load(weights + kWidth * l);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Lane c = all(coefficients[r]);
#pragma GCC unroll 8
      for (int l = 0; l < kLanes; ++l) to[r][l] = multiply_add(weight[l], c, to[r][l]);
    }
  };
#pragma GCC unroll 8
  for (int s = 0; s < kSets; ++s) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int l = 0; l < kLanes; ++l) sum[s][r][l] = all(0.0);
    }
  }
  const double* const coefficients = part.coefficient.data();
  const Index width = tile.width;
  for (std::int32_t i = tile.first_run; i < tile.last_run; ++i) {
    const Tiles::Run& run = tiles.runs[static_cast<std::size_t>(i)];
    const double* const weights = tiles.weights.data() + run.weight + lane;
    const Index* place = columns.place.data() + part.active.rank(run.first);
    const Index* const last = columns.place.data() + part.active.rank(run.first + run.length);
    for (; last - place >= kSets; place += kSets) {
#pragma GCC unroll 8
      for (int s = 0; s < kSets; ++s) {
        add(sum[s], weights + (place[s] - run.first) * width, coefficients + place[s] * LastProduct::kRows);
      }
    }
    if (place < last) add(sum[0], weights + (*place - run.first) * width, coefficients + *place * LastProduct::kRows);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int l = 0; l < kLanes; ++l) {
      store(part.sums.data() + r * (tiles.height + 1) + tile.first + lane + kWidth * l,
            kSets == 1 ? sum[0][r][l] : Eigen::internal::padd(sum[0][r][l], sum[kSets - 1][r][l]));
    }
  }
}

// out[i] = base[i] + sums[place[i]], by vector gathers where the machine has them.
void add_permuted(const double* base, const double* __restrict sums, std::span<const std::int32_t> place, double* out) {
  for (std::size_t i = 0; i < place.size(); ++i) out[i] = base[i] + sums[place[i]];
}

// A tile at a time: its sums stay in registers while the active columns that it reads pass by. One whose columns are
// those of the last product keeps its sums.
template <int kRows>
void add_tiles(const Tiles& tiles, std::span<const Index> active, const Forms& a, Index row, const Forms& base,
               Forms& out, LastProduct::Part& part) {
  if (part.sums.empty()) {
    part.active.clear(tiles.column.size());
    part.coefficient.resize(tiles.column.size() * LastProduct::kRows);
    part.sums.resize(static_cast<std::size_t>((tiles.height + 1) * kRows));
  }
  thread_local Columns columns;
  columns.take<kRows>(tiles, active, a, row, part);
  for (const Tiles::Tile& tile : tiles.tiles) {
    Index changed = 0;
    for (std::int32_t i = tile.first_run; i < tile.last_run; ++i) {
      const Tiles::Run& run = tiles.runs[static_cast<std::size_t>(i)];
      changed += columns.changed.rank(run.first + run.length) - columns.changed.rank(run.first);
    }
    if (changed == 0) continue;
    Index lane = 0;
    for (; lane + 4 * kWidth <= tile.width; lane += 4 * kWidth) add_tile<kRows, 4>(tiles, tile, lane, columns, part);
    for (; lane + 2 * kWidth <= tile.width; lane += 2 * kWidth) add_tile<kRows, 2>(tiles, tile, lane, columns, part);
    for (; lane < tile.width; lane += kWidth) add_tile<kRows, 1>(tiles, tile, lane, columns, part);
  }
  for (int r = 0; r < kRows; ++r) {
    add_permuted(base.row(row + r), part.sums.data() + r * (tiles.height + 1), tiles.row_place, out.row(row + r));
  }
}

// Calls body.operator()<n>(first) for rows first … first + n − 1, n ≤ LastProduct::kRows, until all rows are done.
template <class Body>
void by_rows(Index rows, const Body& body) {
  Index row = 0;
  static_assert(LastProduct::kRows == 4);
  for (; row + 4 <= rows; row += 4) body.template operator()<4>(row);
  switch (rows - row) {
    case 1:
      return body.template operator()<1>(row);
    case 2:
      return body.template operator()<2>(row);
    case 3:
      return body.template operator()<3>(row);
    default:
      return;
  }
}

void add_sparse(const Link& link, std::span<const Index> active, const Forms& a, const Forms& base, Forms& out,
                LastProduct& last) {
  const Index rows = out.dimension() + 1;
  const std::size_t entries = active.size() * link.weight.size() / link.start.size();  // about
  const bool many = entries >= 2 * static_cast<std::size_t>(out.size());
  if (many && !link.tiles.empty()) {
    last.parts.resize(static_cast<std::size_t>((rows + LastProduct::kRows - 1) / LastProduct::kRows));
    return by_rows(rows, [&]<int kRows>(Index row) {
      add_tiles<kRows>(link.tiles, active, a, row, base, out,
                       last.parts[static_cast<std::size_t>(row / LastProduct::kRows)]);
    });
  }
  if (&out != &base) out = base;
  if (many && rows <= 4) return add_many<4>(link, active, a, out);
  if (many && rows <= 8) return add_many<8>(link, active, a, out);
  by_rows(rows, [&]<int kRows>(Index row) { add_few<kRows>(link, active, a, row, out); });
}

}  // namespace

Index PlaceSet::count() {
  before.resize(bits.size());
  Index all_before = 0;
  for (std::size_t w = 0; w < bits.size(); ++w) {
    before[w] = all_before;
    all_before += std::popcount(bits[w]);
  }
  return all_before;
}

void add_columns(const Link& link, std::span<const Index> active, const Forms& a, const Forms& base, Forms& out,
                 LastProduct& last) {
  if (!link.dense()) return add_sparse(link, active, a, base, out, last);
  const Index rows = out.dimension() + 1;
  Index row = 0;
  for (; row + 6 < rows; row += 4) add_rows<4, 4>(link, active, a, row, base, out);
  switch (rows - row) {
    case 1:
      return add_rows<1, 8>(link, active, a, row, base, out);
    case 2:
      return add_rows<2, 8>(link, active, a, row, base, out);
    case 3:
      return add_rows<3, 8>(link, active, a, row, base, out);
    case 4:
      return add_rows<4, 4>(link, active, a, row, base, out);
    case 5:
      return add_rows<5, 4>(link, active, a, row, base, out);
    default:
      return add_rows<6, 4>(link, active, a, row, base, out);
  }
}

}  // namespace unrect
