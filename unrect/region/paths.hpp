// The paths behind an atom's coefficient (HH Theorem 5 (iii), maths 1.5).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "unrect/region/factors.hpp"

namespace unrect {

/// A number of paths, exact while it fits 128 bits.
struct PathCount {
  std::uint64_t high = 0, low = 0;  // high 2⁶⁴ + low; meaningless after an overflow
  bool overflow = false;
  double approximate = 0;  // the same in floating point; infinite beyond 1e308

  std::string to_string() const;  // all digits, or "≈ 1.2e+40"
};

/// How many paths q = i_1 → i_2 → … → i_{L−1} = p run through active units along weights that are not zero: at most
/// Π_{l=2}^{L−2} |S_l|. Cost: O(Σ |S_l| |S_{l−1}|). @throws Error kInvalidArgument for units out of range or L < 2.
PathCount path_count(const Factors& factors, Index p, Index q);

/// One path and its share of κ_pq.
struct Path {
  std::vector<Index> units;  // i_1 = q, …, i_{L−1} = p
  double product = 0;  // Π_{l=2}^{L−1} (W_l)_{i_l i_{l−1}} times the slopes of its units (1 for active ReLUs)
};

/// The k paths of κ_pq with the largest |product|, heaviest first, found best-first with the exact best completion as
/// the guide (Dijkstra backwards once): O(Σ |S_l| |S_{l−1}| + k L max |S_l| log) instead of all of them.
/// @throws as path_count().
std::vector<Path> heaviest_paths(const Factors& factors, Index p, Index q, Index k);

}  // namespace unrect
