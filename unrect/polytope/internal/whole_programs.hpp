// Linear programs in whole numbers: exact, for data of any size.
#pragma once

#include <gmpxx.h>

#include <optional>
#include <vector>

namespace unrect {

/// Whether c·s + c_n is negative somewhere on {A s + b ≥ 0, 0 ≤ s ≤ widths}, for c ≥ 0. rows: A with b as column n; the
/// last row is c. They are the table that the program works in, and good for nothing afterwards.
bool minimum_is_negative(std::vector<std::vector<mpz_class>>& rows, const std::vector<mpz_class>& widths);

/// The point of {A t + b > 0} whose least row is largest; nothing if no point has all rows positive. rows: A with b as
/// column k; the first 2k are a box's, t_d from below, then from above.
std::optional<std::vector<mpq_class>> deepest_point_of(const std::vector<std::vector<mpz_class>>& rows);

}  // namespace unrect
