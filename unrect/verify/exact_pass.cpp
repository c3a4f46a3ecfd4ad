#include "unrect/verify/internal/exact_pass.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/forms/internal/dyadic.hpp"
#include "unrect/forms/stages.hpp"

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

using Values = std::vector<Dyadic>;

Values dyadic(const VectorRef& x) {
  Values out;
  for (const double value : x) out.emplace_back(value);
  return out;
}

int smallest_slack(const Values& y, const Halfspaces& rows) {
  int side = 1;
  for (Index i = 0; i < rows.size() && side >= 0; ++i) {
    Dyadic sum;
    for (Index j = 0; j < rows.dimension(); ++j) sum.add_product(rows.normals(i, j), y[at(j)]);
    side = std::min(side, Dyadic(rows.offsets[i]).minus(sum).sign());
  }
  return side;
}

Values activated(const Stage& stage, Values z) {
  if (const Maximum* m = stage.maximum()) {
    Values a;
    for (Index unit = 0; unit < m->units(); ++unit) {
      Index best = -1;
      for (Index slot = 0; slot < m->width; ++slot) {
        const Index i = m->index[at(unit * m->width + slot)];
        if (i >= 0 && (best < 0 || z[at(i)].minus(z[at(best)]).sign() > 0)) best = i;
      }
      a.push_back(z[at(best)]);
    }
    return a;
  }
  if (const Piecewise* f = stage.piecewise()) {
    for (Index i = 0; i < stage.size; ++i) {
      const Index row = f->row_of(i);
      Index p = 0;
      while (p < f->breaks.cols() && z[at(i)].minus(Dyadic(f->breaks(row, p))).sign() > 0) ++p;
      Dyadic value(f->offsets(row, p));
      value.add_product(f->slopes(row, p), z[at(i)]);
      z[at(i)] = std::move(value);
    }
  }
  return z;
}

Values outputs(const Stages& stages, const VectorRef& x) {
  UNRECT_REQUIRE(x.size() == stages[0].size, ErrorCode::kInvalidArgument, "exact pass: {} inputs, expected {}",
                 x.size(), stages[0].size);
  std::vector<Values> values{dyadic(x)};
  for (int s = 1; s < stages.size(); ++s) {
    const Stage& stage = stages[s];
    Values z(at(stage.size));
    for (const Vector& bias : stage.biases) {
      for (Index i = 0; i < stage.size; ++i) z[at(i)].add(Dyadic(bias[i]));
    }
    for (const Link& link : stage.links) {
      const Values& a = values[at(link.source)];
      for (Index j = 0; j < static_cast<Index>(a.size()); ++j) {
        if (a[at(j)].sign() == 0) continue;
        if (link.dense()) {
          for (Index i = 0; i < stage.size; ++i) z[at(i)].add_product(link.columns(j, i), a[at(j)]);
        } else {
          for (Index e = link.start[at(j)]; e < link.start[at(j) + 1]; ++e)
            z[at(link.row[at(e)])].add_product(link.weight[at(e)], a[at(j)]);
        }
      }
    }
    values.push_back(activated(stage, std::move(z)));
  }
  return std::move(values.back());
}

}  // namespace

std::vector<int> ExactPass::sides(const VectorRef& x, const std::vector<Halfspaces>& polytopes) const {
  const Values y = outputs(*stages_, x);
  std::vector<int> out;
  for (const Halfspaces& polytope : polytopes) out.push_back(smallest_slack(y, polytope));
  return out;
}

std::pair<double, double> ExactPass::value(const VectorRef& x, const VectorRef& direction, double constant) const {
  const Values y = outputs(*stages_, x);
  UNRECT_REQUIRE(direction.size() == static_cast<Index>(y.size()), ErrorCode::kInvalidArgument,
                 "exact pass: a direction of {} numbers, expected {}", direction.size(), y.size());
  Dyadic sum(constant);
  for (Index i = 0; i < direction.size(); ++i) sum.add_product(Dyadic(direction[i]), y[at(i)]);
  return sum.enclosure();
}

int exact_side(const VectorRef& x, const Halfspaces& rows) { return smallest_slack(dyadic(x), rows); }

}  // namespace unrect
