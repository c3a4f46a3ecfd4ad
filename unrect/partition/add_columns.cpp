#include <bit>
#include <utility>
#include <vector>

#include "unrect/partition/forms.hpp"
#include "unrect/partition/lanes.hpp"

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

// Coefficients of a column side by side.
constexpr int kPacked = 4;

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

// The active columns of a matrix of tiles in the order of their places: a run of places is a range of them.
struct ActiveColumns {
  std::vector<std::uint64_t> on;    // bit p % 64 of word p / 64: the column at place p is active
  std::vector<Index> before;        // active places before each word
  std::vector<Index> place;         // of each active column
  std::vector<double> coefficient;  // kPacked of each

  Index rank(Index p) const {
    const auto word = static_cast<std::size_t>(p / 64);
    return before[word] + std::popcount(on[word] & ((std::uint64_t{1} << (p % 64)) - 1));
  }

  template <int kRows>
  void gather(const Tiles& tiles, std::span<const Index> active, const Forms& a, Index row) {
    const std::size_t words = tiles.column_place.size() / 64 + 1;
    on.assign(words, 0);
    for (const Index j : active) {
      const std::int32_t p = tiles.column_place[static_cast<std::size_t>(j)];
      if (p >= 0) on[static_cast<std::size_t>(p / 64)] |= std::uint64_t{1} << (p % 64);
    }
    before.resize(words);
    place.resize(active.size());
    coefficient.resize(active.size() * kPacked);
    Index* next = place.data();
    double* c = coefficient.data();
    for (std::size_t w = 0; w < words; ++w) {
      before[w] = next - place.data();
      for (std::uint64_t bits = on[w]; bits != 0; bits &= bits - 1) {
        const Index p = static_cast<Index>(64 * w) + std::countr_zero(bits);
        const Index j = tiles.column[static_cast<std::size_t>(p)];
        *next++ = p;
        for (int r = 0; r < kRows; ++r) c[r] = a.row(row + r)[j];
        c += kPacked;
      }
    }
  }
};

// sums = tile · the active columns, for kLanes registers of its rows; two sets of sums where few would wait for each
// other.
template <int kRows, int kLanes>
void add_tile(const Tiles& tiles, const Tiles::Tile& tile, int lane, const ActiveColumns& active, double* sums) {
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
  const Index width = tile.width;
  for (std::int32_t i = tile.first_run; i < tile.last_run; ++i) {
    const Tiles::Run& run = tiles.runs[static_cast<std::size_t>(i)];
    const double* const weights = tiles.weights.data() + run.weight + lane;
    const double* coefficients = active.coefficient.data() + active.rank(run.first) * kPacked;
    const Index* place = active.place.data() + active.rank(run.first);
    const Index* const last = active.place.data() + active.rank(run.first + run.length);
    for (; last - place >= kSets; place += kSets, coefficients += kSets * kPacked) {
#pragma GCC unroll 8
      for (int s = 0; s < kSets; ++s) {
        add(sum[s], weights + (place[s] - run.first) * width, coefficients + s * kPacked);
      }
    }
    if (place < last) add(sum[0], weights + (*place - run.first) * width, coefficients);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int l = 0; l < kLanes; ++l) {
      store(sums + r * (tiles.height + 1) + tile.first + lane + kWidth * l,
            kSets == 1 ? sum[0][r][l] : Eigen::internal::padd(sum[0][r][l], sum[kSets - 1][r][l]));
    }
  }
}

// out[i] = base[i] + sums[place[i]], by vector gathers where the machine has them.
void add_permuted(const double* base, const double* __restrict sums, std::span<const std::int32_t> place, double* out) {
  for (std::size_t i = 0; i < place.size(); ++i) out[i] = base[i] + sums[place[i]];
}

// A tile at a time: its sums stay in registers while the active columns that it reads pass by.
template <int kRows>
void add_tiles(const Tiles& tiles, std::span<const Index> active, const Forms& a, Index row, const Forms& base,
               Forms& out) {
  thread_local ActiveColumns columns;
  thread_local std::vector<double> sums;
  columns.gather<kRows>(tiles, active, a, row);
  sums.resize(static_cast<std::size_t>((tiles.height + 1) * kRows));
  for (const Tiles::Tile& tile : tiles.tiles) {
    int lane = 0;
    for (; lane + 4 * kWidth <= tile.width; lane += 4 * kWidth) {
      add_tile<kRows, 4>(tiles, tile, lane, columns, sums.data());
    }
    for (; lane + 2 * kWidth <= tile.width; lane += 2 * kWidth) {
      add_tile<kRows, 2>(tiles, tile, lane, columns, sums.data());
    }
    for (; lane < tile.width; lane += kWidth) {
      add_tile<kRows, 1>(tiles, tile, lane, columns, sums.data());
    }
  }
  for (int r = 0; r < kRows; ++r) {
    sums[static_cast<std::size_t>(r * (tiles.height + 1) + tiles.height)] = 0;
    add_permuted(base.row(row + r), sums.data() + r * (tiles.height + 1), tiles.row_place, out.row(row + r));
  }
}

// Calls body.operator()<n>(first) for rows first … first + n − 1, n ≤ 4, until all rows are done.
template <class Body>
void by_rows(Index rows, const Body& body) {
  Index row = 0;
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

void add_sparse(const Link& link, std::span<const Index> active, const Forms& a, const Forms& base, Forms& out) {
  const Index rows = out.dimension() + 1;
  const std::size_t entries = active.size() * link.weight.size() / link.start.size();  // about
  const bool many = entries >= 2 * static_cast<std::size_t>(out.size());
  if (many && !link.tiles.empty()) {
    return by_rows(rows, [&]<int kRows>(Index row) { add_tiles<kRows>(link.tiles, active, a, row, base, out); });
  }
  if (&out != &base) out = base;
  if (many && rows <= 4) return add_many<4>(link, active, a, out);
  if (many && rows <= 8) return add_many<8>(link, active, a, out);
  by_rows(rows, [&]<int kRows>(Index row) { add_few<kRows>(link, active, a, row, out); });
}

}  // namespace

void add_columns(const Link& link, std::span<const Index> active, const Forms& a, const Forms& base, Forms& out) {
  if (!link.dense()) return add_sparse(link, active, a, base, out);
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
