#include "unrect/region/paths.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <queue>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

std::size_t at(int l) { return static_cast<std::size_t>(l - 1); }

void check_ends(const Factors& f, Index p, Index q) {
  UNRECT_REQUIRE(f.depth() >= 2, ErrorCode::kInvalidArgument, "a network without hidden layers has no paths");
  UNRECT_REQUIRE(q >= 0 && q < f.diagonals.front().size() && p >= 0 && p < f.diagonals.back().size(),
                 ErrorCode::kInvalidArgument, "atom ({}, {}) is out of range, expected p < {} and q < {}", p, q,
                 f.diagonals.back().size(), f.diagonals.front().size());
}

PathCount sum(const PathCount& a, const PathCount& b) {
  PathCount c;
  c.low = a.low + b.low;
  const std::uint64_t carry = c.low < a.low ? 1 : 0, high = a.high + carry;
  c.high = high + b.high;
  c.overflow = a.overflow || b.overflow || high < carry || c.high < high;
  c.approximate = a.approximate + b.approximate;
  return c;
}

// A path's beginning i_1 … i_l and the largest |product| that any completion can reach.
struct Partial {
  double bound = 0;
  double product = 1;
  std::vector<Index> units;

  bool operator<(const Partial& other) const {
    if (bound != other.bound) return bound < other.bound;
    return units > other.units;  // ties in lexicographic order, so that the answer is one
  }
};

}  // namespace

std::string PathCount::to_string() const {
  if (overflow) return fmt::format("≈ {:.6g}", approximate);
  // Long division by 10, four digits of base 2³².
  std::array<std::uint64_t, 4> rest{high >> 32, high & 0xffffffff, low >> 32, low & 0xffffffff};
  std::string digits;
  do {
    std::uint64_t remainder = 0;
    for (std::uint64_t& digit : rest) {
      const std::uint64_t value = remainder << 32 | digit;
      digit = value / 10;
      remainder = value % 10;
    }
    digits.push_back(static_cast<char>('0' + remainder));
  } while (rest != std::array<std::uint64_t, 4>{});
  std::reverse(digits.begin(), digits.end());
  return digits;
}

PathCount path_count(const Factors& f, Index p, Index q) {
  check_ends(f, p, q);
  std::vector<PathCount> counts(static_cast<std::size_t>(f.diagonals[0].size()));
  if (f.diagonals[0][q] != 0) counts[static_cast<std::size_t>(q)] = {0, 1, false, 1};
  for (int l = 2; l < f.depth(); ++l) {
    const Matrix& w = f.weights[at(l)];
    std::vector<PathCount> next(static_cast<std::size_t>(w.rows()));
    for (Index i = 0; i < w.rows(); ++i) {
      if (f.diagonals[at(l)][i] == 0) continue;
      for (Index j = 0; j < w.cols(); ++j) {
        const PathCount& from = counts[static_cast<std::size_t>(j)];
        if (w(i, j) != 0 && from.approximate > 0)
          next[static_cast<std::size_t>(i)] = sum(next[static_cast<std::size_t>(i)], from);
      }
    }
    counts = std::move(next);
  }
  return counts[static_cast<std::size_t>(p)];
}

std::vector<Path> heaviest_paths(const Factors& f, Index p, Index q, Index k) {
  check_ends(f, p, q);
  const int last = f.depth() - 1;
  // best[l][i]: the largest |product| of a completion from unit i of layer l to p, its own slope excluded.
  std::vector<Vector> best(static_cast<std::size_t>(last));
  best[at(last)] = Vector::Zero(f.diagonals[at(last)].size());
  best[at(last)][p] = 1;
  const auto share = [&](int l, Index i, Index j) {  // of a completion j → i → …, j in layer l − 1
    return best[at(l)][i] * std::abs(f.diagonals[at(l)][i]) * std::abs(f.weights[at(l)](i, j));
  };
  for (int l = last; l > 1; --l) {
    best[at(l - 1)] = Vector::Zero(f.weights[at(l)].cols());
    for (Index i = 0; i < f.weights[at(l)].rows(); ++i) {
      for (Index j = 0; j < f.weights[at(l)].cols(); ++j) {
        best[at(l - 1)][j] = std::max(best[at(l - 1)][j], share(l, i, j));
      }
    }
  }
  std::priority_queue<Partial> open;
  const double start = f.diagonals[0][q];
  if (std::abs(start) * best[0][q] > 0) open.push({std::abs(start) * best[0][q], start, {q}});
  std::vector<Path> paths;
  while (!open.empty() && static_cast<Index>(paths.size()) < k) {
    Partial partial = open.top();
    open.pop();
    const int l = static_cast<int>(partial.units.size());
    if (l == last) {
      paths.push_back({std::move(partial.units), partial.product});
      continue;
    }
    const Matrix& w = f.weights[at(l + 1)];
    for (Index i = 0; i < w.rows(); ++i) {
      const Index j = partial.units.back();
      const double product = partial.product * w(i, j) * f.diagonals[at(l + 1)][i];
      // Along the best completion the ratio is exactly 1: rounding never lets a bound sink below its ties, so the
      // search goes straight down instead of through all paths of nearly the same product.
      const double bound = partial.bound * (share(l + 1, i, j) / best[at(l)][j]);
      if (bound == 0) continue;
      Partial next{bound, product, partial.units};
      next.units.push_back(i);
      open.push(std::move(next));
    }
  }
  return paths;
}

}  // namespace unrect
