// Branch and bound for many inputs: units on one side of their break, bounds that climb their dual.
#pragma once

#include "unrect/verify/internal/search.hpp"

namespace unrect {

/// A node is a list of splits (unit above or below a break) over the whole domain, one tree an unsafe polytope. Its
/// bound is a linear relaxation's dual, a few gradient steps from the parent's; the unit to split is the best of a few
/// that cost the bound most (maths: α-, β-CROWN). A node without an undecided unit is one linear program.
SearchOutcome search_units(const SearchTask& task);

}  // namespace unrect
