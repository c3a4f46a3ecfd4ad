#include "unrect/verify/internal/query.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unrect {

Query::Query(const Property::Case& from)
    : box(from.box), input_rows(from.input_rows), unsafe(from.unsafe_outputs), first{0} {
  for (const Halfspaces& polytope : unsafe) first.push_back(first.back() + polytope.size());
  rows.rows.resize(first.back(), unsafe.front().dimension());
  rows.offsets.resize(first.back());
  for (std::size_t p = 0; p < unsafe.size(); ++p) {
    rows.rows.middleRows(first[p], unsafe[p].size()) = unsafe[p].normals;
    rows.offsets.segment(first[p], unsafe[p].size()) = -unsafe[p].offsets;
  }
}

double Query::raise_bar(double offset) {
  const double rise = unsafe.front().offsets[0] - offset;
  unsafe.front().offsets[0] = offset;
  rows.offsets[0] = -offset;
  return std::max(std::nextafter(rise, 0.0), 0.0);
}

double Query::depth(const VectorRef& y) const {
  double best = -std::numeric_limits<double>::infinity();
  for (const Halfspaces& polytope : unsafe) {
    const double worst = polytope.size() == 0 ? std::numeric_limits<double>::infinity() : polytope.slacks(y).minCoeff();
    best = std::max(best, worst);
  }
  return best;
}

}  // namespace unrect
