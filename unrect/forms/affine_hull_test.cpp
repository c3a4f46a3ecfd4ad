// Domains without an interior: the hull against rationals, at the edge of each decision.
#include <fmt/format.h>
#include <gmpxx.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/forms/domain.hpp"
#include "unrect/forms/internal/oracle_for_tests.hpp"

namespace unrect {
namespace {

using oracle::Form;
using oracle::Point;

constexpr double kLeast = std::numeric_limits<double>::denorm_min();

Box cube(Index n, double low = 0, double high = 1) { return {Vector::Constant(n, low), Vector::Constant(n, high)}; }

// Rows (a, b): a·x ≤ b.
Halfspaces rows(const std::vector<std::vector<double>>& numbers) {
  const auto n = static_cast<Index>(numbers.front().size()) - 1;
  Matrix normals(static_cast<Index>(numbers.size()), n);
  Vector offsets(normals.rows());
  for (Index r = 0; r < normals.rows(); ++r) {
    for (Index j = 0; j < n; ++j) normals(r, j) = numbers[at(r)][at(j)];
    offsets[r] = numbers[at(r)].back();
  }
  return {std::move(normals), std::move(offsets)};
}

std::string refusal(const Box& box, const Halfspaces& constraints) {
  try {
    const Domain domain(box, constraints);
    return fmt::format("{} dimensions", domain.dimension());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
}

// x_j over t, k coefficients and a constant.
Form input_form(const Domain& domain, Index j) {
  Form form;
  for (Index d = 0; d < domain.dimension(); ++d) form.emplace_back(domain.axes(j, d));
  form.emplace_back(domain.origin[j]);
  return form;
}

// Whether `form` is positive somewhere in the domain's interior.
bool positive_somewhere(const Domain& domain, const Form& form) {
  std::vector<Form> all = oracle::sides_of(domain);
  all.push_back(form);
  std::vector<std::vector<mpz_class>> whole;
  for (const Form& row : all) {
    mpz_class scale = 1;
    for (const mpq_class& x : row) scale = lcm(scale, x.get_den());
    whole.emplace_back();
    for (const mpq_class& x : row) whole.back().push_back(mpq_class(x * scale).get_num());
  }
  return oracle::interior_point(whole).has_value();
}

// No point of the domain is outside what was asked for, and it has an interior in t.
void expect_inside(const Domain& domain, const Box& box, const Halfspaces& constraints) {
  EXPECT_TRUE(positive_somewhere(domain, [&] {
    Form one(at(domain.dimension()) + 1);
    one.back() = 1;
    return one;
  }()));
  const auto beyond = [&](const VectorRef& normal, double offset) {
    Form excess(at(domain.dimension()) + 1);
    for (Index j = 0; j < domain.input_size(); ++j) {
      const Form x = input_form(domain, j);
      for (std::size_t d = 0; d < x.size(); ++d) excess[d] += mpq_class(normal[j]) * x[d];
    }
    excess.back() -= offset;
    return positive_somewhere(domain, excess);
  };
  const Halfspaces all = intersect(Halfspaces(box), constraints);
  for (Index r = 0; r < all.size(); ++r) EXPECT_FALSE(beyond(all.normals.row(r).transpose(), all.offsets[r])) << r;
}

// Whether a point x is in the domain.
bool holds(const Domain& domain, const Point& x) {
  std::vector<Form> forms;
  for (Index j = 0; j < domain.input_size(); ++j) {
    forms.push_back(input_form(domain, j));
    forms.back().back() -= x[at(j)];
  }
  const std::optional<Point> t = oracle::meeting_point(forms);
  return t && std::ranges::all_of(oracle::sides_of(domain),
                                  [&](const Form& side) { return oracle::value_at(side, *t) >= 0; });
}

Index rank(std::vector<Form> matrix) {
  Index found = 0;
  for (std::size_t j = 0; !matrix.empty() && j < matrix.front().size(); ++j) {
    const auto pivot = std::find_if(matrix.begin() + found, matrix.end(), [&](const Form& row) { return row[j] != 0; });
    if (pivot == matrix.end()) continue;
    std::swap(matrix[at(found)], *pivot);
    for (std::size_t i = at(found) + 1; i < matrix.size(); ++i) {
      const mpq_class factor = matrix[i][j] / matrix[at(found)][j];
      for (std::size_t c = j; c < matrix[i].size(); ++c) matrix[i][c] -= factor * matrix[at(found)][c];
    }
    ++found;
  }
  return found;
}

TEST(AffineHull, InputsThatAreTied) {
  const Halfspaces tied = rows({{-1, 0, 1, 0, 0}, {0, 1, 0, -1, 0}, {0, -1, 0, 1, 0}});
  const Domain domain(cube(4), tied);
  EXPECT_EQ(domain.dimension(), 3);
  EXPECT_EQ(domain.rounding, 0);
  EXPECT_EQ(domain.axes, (Matrix(4, 3) << 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0).finished());
  EXPECT_EQ(domain.origin, Vector::Zero(4));
  EXPECT_EQ(domain.box.lower, Vector::Zero(3));
  EXPECT_EQ(domain.box.upper, Vector::Ones(3));
  EXPECT_EQ(domain.constraints.normals, (Matrix(1, 3) << 1, 0, -1).finished() * -1);
  expect_inside(domain, cube(4), tied);
}

TEST(AffineHull, EqualitiesThatNoPairOfRowsStates) {
  const auto cycle = [](double room) { return rows({{1, -1, 0, 0}, {0, 1, -1, 0}, {-1, 0, 1, room}}); };
  EXPECT_EQ(Domain(cube(3), cycle(0)).dimension(), 1);
  for (const double room : {kLeast, 1e-300, 1e-17}) {
    const Domain domain(cube(3), cycle(room));
    EXPECT_EQ(domain.dimension(), 3) << room;
    EXPECT_EQ(domain.rounding, 0);
    expect_inside(domain, cube(3), cycle(room));
  }
  EXPECT_EQ(refusal(cube(3), cycle(-kLeast)),
            "domain: empty: no point satisfies x0 - x1 ≤ 0, x1 - x2 ≤ 0 and -x0 + x2 ≤ -5e-324");
}

TEST(AffineHull, ConstraintsThatTouchTheBox) {
  const auto corner = [](double room) { return rows({{1, 1, 0, room}}); };
  const Domain edge(cube(3), corner(0));
  EXPECT_EQ(edge.dimension(), 1);
  EXPECT_EQ(edge.axes, Matrix(Vector::Unit(3, 2)));
  EXPECT_EQ(Domain(cube(3), corner(kLeast)).dimension(), 3);
  EXPECT_EQ(refusal(cube(2), rows({{1, 1, 0}})),
            "domain: one point, (0, 0); expected an extent in one direction at least");
  EXPECT_EQ(refusal(cube(2), rows({{1, 1, kLeast}})), "2 dimensions");
  EXPECT_EQ(refusal(cube(2), rows({{1, 1, -kLeast}})),
            "domain: empty: no point satisfies x0 ≥ 0, x1 ≥ 0 and x0 + x1 ≤ -5e-324");
}

// .1 + .2 is not .3, neither of one input nor of a sum.
TEST(AffineHull, NeighbouringDoublesAreNotEqual) {
  const double sum = .1 + .2;
  ASSERT_GT(sum, .3);
  const Domain thin(cube(2), rows({{-1, 0, -.3}, {1, 0, sum}}));
  EXPECT_EQ(thin.dimension(), 2);
  EXPECT_EQ(thin.box.lower[0], .3);
  EXPECT_EQ(thin.box.upper[0], sum);
  EXPECT_EQ(thin.constraints.size(), 0);
  EXPECT_EQ(Domain(cube(2), rows({{-1, 0, -.3}, {1, 0, .3}})).dimension(), 1);
  const auto strip = [](double low, double high) { return rows({{-1, -1, -low}, {1, 1, high}}); };
  EXPECT_EQ(Domain(cube(2), strip(.3, sum)).dimension(), 2);
  EXPECT_EQ(Domain(cube(2), strip(.3, .3)).dimension(), 1);
  EXPECT_EQ(refusal(cube(2), strip(sum, .3)),
            "domain: empty: no point satisfies -x0 - x1 ≤ -0.30000000000000004 and x0 + x1 ≤ 0.3");
  // The sum of the doubles .1 and .2 is neither of them.
  const Halfspaces both = rows({{1, -1, .1}, {-1, 1, -.1}, {0, 1, .2}, {0, -1, -.2}, {1, 0, sum}});
  EXPECT_TRUE(refusal(cube(2), both).starts_with("domain: one point, about (0.3")) << refusal(cube(2), both);
  const Halfspaces less = rows({{1, -1, .1}, {-1, 1, -.1}, {0, 1, .2}, {0, -1, -.2}, {1, 0, .3}});
  EXPECT_TRUE(refusal(cube(2), less).starts_with("domain: empty: ")) << refusal(cube(2), less);
}

TEST(AffineHull, IsDyadicWhereItCanBe) {
  // One coefficient is a power of two: that input depends on the other.
  const Halfspaces ratio = rows({{3, -1, .125}, {-3, 1, -.125}});
  const Domain scaled(cube(2), ratio);
  EXPECT_EQ(scaled.dimension(), 1);
  EXPECT_EQ(scaled.rounding, 0);
  EXPECT_EQ(scaled.axes, (Matrix(2, 1) << 1, 3).finished());
  EXPECT_EQ(scaled.origin, (Vector(2) << 0, -.125).finished());
  expect_inside(scaled, cube(2), ratio);
  EXPECT_TRUE(holds(scaled, {mpq_class(1, 24), 0}));
  EXPECT_TRUE(holds(scaled, {mpq_class(9, 24), 1}));
  EXPECT_FALSE(holds(scaled, {mpq_class(10, 24), mpq_class(9, 8)}));
  // With .1 the line is exact, but where it leaves the square, 3 x0 = 1 + .1, is not.
  const Domain tenth(cube(2), rows({{3, -1, .1}, {-3, 1, -.1}}));
  EXPECT_EQ(tenth.axes, scaled.axes);
  EXPECT_EQ(tenth.origin[1], -.1);
  EXPECT_GT(tenth.rounding, 0);
  EXPECT_LT(tenth.rounding, 6e-17);
  // None is: Euclid's algorithm finds (2, −1) + (5, -3) s.
  const Halfspaces plane = rows({{3, 5, 0, 1}, {-3, -5, 0, -1}});
  const Domain steps(cube(3, -1, 1), plane);
  EXPECT_EQ(steps.dimension(), 2);
  EXPECT_EQ(steps.rounding, 0);
  expect_inside(steps, cube(3, -1, 1), plane);
  for (const mpq_class& x : {mpq_class(1, 3), mpq_class(-2, 7), mpq_class(1), mpq_class(-2, 3)}) {
    EXPECT_TRUE(holds(steps, {x, (1 - 3 * x) / 5, mpq_class(1, 3)})) << x;
  }
  EXPECT_FALSE(holds(steps, {mpq_class(1, 3), mpq_class(1, 3), 0}));
}

TEST(AffineHull, SaysWhatItRounds) {
  // 3 x0 = 1 has no solution in doubles.
  const Domain third(cube(2), rows({{3, 0, 1}, {-3, 0, -1}}));
  EXPECT_EQ(third.dimension(), 1);
  EXPECT_EQ(third.origin[0], 1.0 / 3);
  mpq_class off(1.0 / 3);
  off = abs(off - mpq_class(1, 3));
  EXPECT_GE(mpq_class(third.rounding), off);
  EXPECT_LE(third.rounding, 1.01 * off.get_d());
  EXPECT_EQ(refusal(cube(1), rows({{3, 1}, {-3, -1}})),
            "domain: one point, about (0.3333333333333333); expected an extent in one direction at least");
  // A bound that is no double is kept as a row of whole numbers.
  const Domain bound(cube(2), rows({{3, 0, 1}}));
  EXPECT_EQ(bound.rounding, 0);
  EXPECT_EQ(bound.dimension(), 2);
  EXPECT_GE(mpq_class(bound.box.upper[0]), mpq_class(1, 3));
  EXPECT_EQ(bound.constraints.size(), 1);
  EXPECT_TRUE(holds(bound, {mpq_class(1, 3), 0}));
  EXPECT_FALSE(holds(bound, {mpq_class(bound.box.upper[0]), 0}));
  // 1 - 10⁻²⁰ is no double.
  Box held = cube(3);
  held.lower[2] = held.upper[2] = 1e-20;
  const Domain sum(held, rows({{1, 1, 1, 1}}));
  EXPECT_EQ(sum.dimension(), 2);
  EXPECT_GE(sum.rounding, 1e-20);
  EXPECT_LE(sum.rounding, 1.01e-20);
  EXPECT_EQ(refusal(held, rows({{0, -1, -1, -1}})),
            "domain: thinner than its numbers' rounding to doubles, 1e-20; expected a wider one");
  // Rounding adds up.
  Domain more = sum;
  more.constrain(rows({{1, 2, 1, 1}}));
  EXPECT_GT(more.rounding, sum.rounding);
}

TEST(AffineHull, BoxesOfOnePointAndHeldInputs) {
  EXPECT_EQ(refusal(cube(2, .1, .1), {}),
            "domain: one point, (0.1, 0.1); expected an extent in one direction at least");
  EXPECT_TRUE(refusal(cube(20, 1, 1), {}).starts_with("domain: one point, (1, 1, 1, 1, 1, 1, 1, 1, …);"));
  EXPECT_EQ(refusal(cube(2, .5, .5), rows({{1, 1, .75}})),
            "domain: empty: no point satisfies x0 = 0.5, x1 = 0.5 and x0 + x1 ≤ 0.75");
  Box held = cube(3);
  held.lower[1] = held.upper[1] = .5;
  const Domain domain(held, rows({{1, 1, -1, 0}, {-1, -1, 1, 0}}));
  EXPECT_EQ(domain.dimension(), 1);
  EXPECT_EQ(domain.axes, (Matrix(3, 1) << 1, 0, 1).finished());
  EXPECT_EQ(domain.origin, (Vector(3) << 0, .5, .5).finished());
  EXPECT_EQ(domain.box.upper[0], .5);
  EXPECT_THROW(Domain(cube(2), rows({{1, 1, 1, 0}})), Error);
}

TEST(AffineHull, SlicesAndSecondThoughts) {
  const Domain slice(Vector::Constant(3, .25), (Matrix(3, 2) << 1, 0, 1, 1, 0, 2).finished(), cube(2, -1, 1));
  Domain flat = slice;
  flat.constrain(rows({{1, 0, 0, 1}}));
  EXPECT_EQ(flat.dimension(), 2);
  EXPECT_EQ(flat.axes, slice.axes);
  flat.constrain(rows({{0, 1, -1, 0}}));
  EXPECT_EQ(flat.dimension(), 2);
  flat.constrain(rows({{0, -1, 1, 0}}));  // t0 = t1
  EXPECT_EQ(flat.dimension(), 1);
  EXPECT_EQ(flat.axes, (Matrix(3, 1) << 1, 2, 2).finished());
  EXPECT_EQ(flat.box.upper[0], .75);
  EXPECT_EQ(flat.box.lower[0], -1);
  try {
    flat.constrain(rows({{1, 0, 0, -1}}));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "domain: empty: no point satisfies t0 ≥ -1 and x0 ≤ -1");
  }
}

// Random hulls of known dimension: equalities at a hidden point, stated in one of several ways, among inequalities that
// are strict there.
TEST(AffineHull, RandomFlatDomainsAgainstRationals) {
  Rng rng(11);
  int euclid = 0, rounded = 0, points = 0;
  for (int trial = 0; trial < 1500; ++trial) {
    const Index n = 2 + rng.below(4);
    const Box box = cube(n, -1, 1);
    const bool cancelling = rng.below(4) == 0;  // .1, .2, -.3 and their kin, through 0
    Vector hidden(n);
    for (double& x : hidden) x = cancelling ? 0 : static_cast<double>(rng.below(61) - 30) / 32;
    std::vector<std::vector<double>> all;
    std::vector<Form> equalities;
    const auto add = [&](const Vector& normal, double offset, double factor) {
      all.emplace_back();
      for (const double a : normal) all.back().push_back(factor * a);
      all.back().push_back(factor * offset);
    };
    const auto random_normal = [&] {
      Vector normal(n);
      do {
        for (double& a : normal) {
          a = rng.below(3) == 0 ? 0
              : cancelling      ? .1 * static_cast<double>(rng.below(7) - 3)
                                : static_cast<double>(rng.below(13) - 6);
        }
      } while (normal.isZero());
      return normal;
    };
    for (Index e = rng.below(n); e >= 0; --e) {
      const Vector normal = random_normal();
      const double offset = normal.dot(hidden);  // without rounding
      switch (rng.below(3)) {
        case 0:
          add(normal, offset, 1);
          add(normal, offset, -4);
          break;
        case 1:  // three times the row, where that is no rounding
          add(normal, offset, cancelling ? 2 : 3);
          add(normal, offset, -1);
          break;
        default: {  // a cycle
          const Vector other = cancelling ? Vector(2 * normal) : random_normal();
          const double other_offset = other.dot(hidden);
          add(normal, offset, 1);
          add(other, other_offset, 1);
          add(cancelling ? Vector(-4 * normal) : Vector(-normal - other), cancelling ? 0 : -offset - other_offset, 1);
          if (cancelling) break;
          equalities.emplace_back(other.begin(), other.end());
        }
      }
      equalities.emplace_back(normal.begin(), normal.end());
    }
    for (Index i = rng.below(3); i > 0; --i) {
      const Vector normal = random_normal();
      add(normal, normal.dot(hidden) + std::ldexp(1.0, -static_cast<int>(rng.below(30))), 1);
    }
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[at(rng.below(static_cast<Index>(i)))]);
    const Index dimension = n - rank(equalities);
    const Halfspaces constraints = rows(all);
    SCOPED_TRACE(fmt::format("trial {}, {} inputs, {} dimensions", trial, n, dimension));
    if (dimension == 0) {
      ++points;
      EXPECT_TRUE(refusal(box, constraints).starts_with("domain: one point, ")) << refusal(box, constraints);
      continue;
    }
    const Domain domain(box, constraints);
    ASSERT_EQ(domain.dimension(), dimension);
    if (domain.rounding > 0) {
      ++rounded;
      EXPECT_LT(domain.rounding, 1e-12);
      continue;
    }
    euclid += (domain.axes.array() != 0 && domain.axes.array().abs() != 1).any();
    expect_inside(domain, box, constraints);
    EXPECT_TRUE(holds(domain, oracle::exact_point(hidden)));
  }
  EXPECT_GT(euclid, 100);
  EXPECT_GT(points, 100);
  EXPECT_LT(rounded, 300);
}

}  // namespace
}  // namespace unrect
