// One linear system in whole numbers, solved exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "unrect/polytope/internal/whole.hpp"

namespace unrect {

/// Fractions over one denominator > 0.
struct WholeSolution {
  WholeRow numerators;
  mpz_class denominator;
};

/// y with Σ_i y_i row_i = target, one solution on independent rows: modulo 2⁶¹ − 1, lifted (Dixon 1982) and checked in
/// whole numbers. Nothing if there is none, or if chance hides it (the prime divides a minor), or if it is longer than
/// the effort allows (kNoLimit), of which what it took is taken off.
std::optional<WholeSolution> solve(const std::vector<const WholeRow*>& rows, const WholeRow& target,
                                   std::int64_t& effort);

}  // namespace unrect
