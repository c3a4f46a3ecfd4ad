#include "unrect/forms/internal/exact_forms.hpp"

#include <fmt/format.h>
#include <gmpxx.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/forms/internal/dyadic.hpp"
#include "unrect/polytope/internal/whole.hpp"
#include "unrect/polytope/internal/whole_programs.hpp"

namespace unrect {
namespace {

// Up to so many dimensions all of a point's neighbours in double, 3^k − 1 of them, are tried.
constexpr Index kMostNeighbours = 5;

using Row = std::vector<Dyadic>;  // k coefficients, then the constant

// A link's weights row by row: the exact form of one unit reads one row.
struct RowLink {
  int source = 0;
  std::vector<std::vector<std::pair<Index, double>>> rows;
};

int last_stage(std::span<const WallSide> sides) {
  int stage = -1;
  for (const WallSide& side : sides) stage = std::max(stage, side.wall.stage);
  return stage;
}

}  // namespace

struct ExactPoint::Numbers {
  std::vector<mpz_class> numerators;
  mpz_class denominator = 1;
};

struct ExactForms::Cache {
  Cache(const Stages& network, const Domain& where) : stages(network), domain(where), k(where.dimension()) {
    for (const Stage& stage : stages.stages) {
      links.emplace_back();
      rows.emplace_back(static_cast<std::size_t>(stage.size));
      for (const Link& link : stage.links) {
        RowLink by_row{link.source,
                       std::vector<std::vector<std::pair<Index, double>>>(static_cast<std::size_t>(stage.size))};
        link.for_each_weight([&](Index row, Index column, double weight) {
          by_row.rows[static_cast<std::size_t>(row)].emplace_back(column, weight);
        });
        links.back().push_back(std::move(by_row));
      }
    }
    pieces.assign(static_cast<std::size_t>(stages.units()), 0);
  }

  // Forgets what depends on pieces that have changed.
  void follow(std::span<const std::uint16_t> now, int stage) {
    for (std::size_t l = 0; l < stages.of_layer.size() && stages.of_layer[l] < stage; ++l) {
      const auto first = static_cast<std::size_t>(stages.first_unit[l]);
      const auto count = static_cast<std::size_t>(stages.first_unit[l + 1]) - first;
      if (std::equal(now.begin() + first, now.begin() + first + count, pieces.begin() + first)) continue;
      for (int s = stages.of_layer[l] + 1; s < stages.size(); ++s) {
        for (Row& row : rows[static_cast<std::size_t>(s)]) row.clear();
      }
      std::copy(now.begin() + first, now.end(), pieces.begin() + first);
      return;
    }
  }

  const Row& row(int s, Index i) {
    Row& out = rows[static_cast<std::size_t>(s)][static_cast<std::size_t>(i)];
    if (!out.empty()) return out;
    Row sum(static_cast<std::size_t>(k) + 1);
    if (s == 0) {
      for (Index d = 0; d < k; ++d) sum[static_cast<std::size_t>(d)].add(Dyadic(domain.axes(i, d)));
      sum.back().add(Dyadic(domain.origin[i]));
    }
    for (const Vector& bias : stages[s].biases) sum.back().add(Dyadic(bias[i]));
    for (const RowLink& link : links[static_cast<std::size_t>(s)]) {
      for (const auto& [j, weight] : link.rows[static_cast<std::size_t>(i)]) {
        const Row a = activated(link.source, j);
        for (std::size_t d = 0; d < sum.size() && !a.empty(); ++d) sum[d].add_product(weight, a[d]);
      }
    }
    out = std::move(sum);
    return out;
  }

  // The form of unit j after the activation, on the piece it is on; {} for zero.
  Row activated(int s, Index j) {
    const Stage& stage = stages[s];
    if (stage.layer < 0) return row(s, j);
    const auto piece = static_cast<Index>(
        pieces[static_cast<std::size_t>(stages.first_unit[static_cast<std::size_t>(stage.layer)] + j)]);
    if (const Maximum* m = stage.maximum()) return row(s, m->index[static_cast<std::size_t>(j * m->width + piece)]);
    const Piecewise& f = *stage.piecewise();
    const double slope = f.slopes(f.row_of(j), piece);
    const double offset = f.offsets(f.row_of(j), piece);
    if (slope == 0 && offset == 0) return {};
    Row out(static_cast<std::size_t>(k) + 1);
    if (slope != 0) {
      const Row& z = row(s, j);
      for (std::size_t d = 0; d < out.size(); ++d) out[d].add_product(slope, z[d]);
    }
    out.back().add(Dyadic(offset));
    return out;
  }

  // The function that vanishes on the wall.
  Row form(const Hyperplane& wall) {
    if (wall.stage < 0) {
      Row out(static_cast<std::size_t>(k) + 1);
      if (wall.row < 2 * k) {
        const Index d = wall.row / 2;
        out[static_cast<std::size_t>(d)].add(Dyadic(1));
        out.back().add(Dyadic(-(wall.row % 2 == 0 ? domain.box.lower[d] : domain.box.upper[d])));
      } else {
        const Index r = wall.row - 2 * k;
        for (Index d = 0; d < k; ++d) out[static_cast<std::size_t>(d)].add(Dyadic(domain.constraints.normals(r, d)));
        out.back().add(Dyadic(-domain.constraints.offsets[r]));
      }
      return out;
    }
    Row out = row(wall.stage, wall.row);
    if (wall.other >= 0) {
      const Row& other = row(wall.stage, wall.other);
      for (std::size_t d = 0; d < out.size(); ++d) out[d].add_product(-1.0, other[d]);
    }
    out.back().add(Dyadic(-wall.threshold));
    return out;
  }

  // Integers in proportion to a row: its numbers times a power of two, whose exponent is returned.
  static long put_integers(const Row& row, std::vector<mpz_class>& out) {
    long lowest = 0;
    bool any = false;
    for (const Dyadic& x : row) {
      if (x.sign() == 0) continue;
      lowest = any ? std::min(lowest, x.exponent) : x.exponent;
      any = true;
    }
    out.resize(row.size());
    for (std::size_t d = 0; d < row.size(); ++d) {
      out[d] = row[d].mantissa;
      if (sgn(out[d]) != 0) out[d] <<= static_cast<mp_bitcnt_t>(row[d].exponent - lowest);
    }
    return -lowest;
  }

  // p·t + q where A t + b = 0, times a power of two: det [A b; p q] / det A, by Bareiss' elimination, whose divisions
  // are exact. Numerator and denominator.
  std::pair<mpz_class, mpz_class> value_where(const Row& f, std::span<const Hyperplane> walls) {
    const auto n = static_cast<std::size_t>(k);
    system.resize(walls.size() + 1);
    for (std::size_t i = 0; i < walls.size(); ++i) put_integers(form(walls[i]), system[i]);
    put_integers(f, system.back());
    mpz_class previous = 1;
    mpz_class product;
    for (std::size_t step = 0; step < n; ++step) {
      std::size_t row = step;
      while (row < walls.size() && sgn(system[row][step]) == 0) ++row;
      UNRECT_REQUIRE(row < walls.size(), ErrorCode::kInvalidArgument,
                     "exact vertex: {} walls meet in more than a point", walls.size());
      std::swap(system[step], system[row]);
      const std::vector<mpz_class>& pivot = system[step];
      for (std::size_t i = step + 1; i < system.size(); ++i) {
        std::vector<mpz_class>& r = system[i];
        for (std::size_t d = step + 1; d <= n; ++d) {
          r[d] *= pivot[step];
          product = r[step] * pivot[d];
          r[d] -= product;
          mpz_divexact(r[d].get_mpz_t(), r[d].get_mpz_t(), previous.get_mpz_t());
        }
        r[step] = 0;
      }
      previous = pivot[step];
    }
    return {system.back()[n], previous};
  }

  int sign_where(const Row& f, std::span<const Hyperplane> walls) {
    const auto [numerator, denominator] = value_where(f, walls);
    return sgn(numerator) * sgn(denominator);
  }

  // Over t_d = lower_d + u s_d, or upper_d − u s_d where f falls with t_d; u is a power of two that makes the widths
  // whole.
  bool positive_over(const Hyperplane& wall, int sign, std::span<const WallSide> sides) {
    const auto n = static_cast<std::size_t>(k);
    Row cost = form(wall);
    if (sign > 0) negate(cost);
    Row corner(n);
    Row widths(n);
    long unit = 0;
    for (std::size_t d = 0; d < n; ++d) {
      const auto at = static_cast<Index>(d);
      double lower = domain.box.lower[at];
      double upper = domain.box.upper[at];
      widths[d].add(Dyadic(upper));
      widths[d].add(Dyadic(-lower));
      Dyadic room;  // of the side that is asked about
      if (wall.stage < 0 && wall.row / 2 == at) room = widths[d];
      widths[d].add(room);
      const bool falls = cost[d].sign() < 0;
      corner[d].add(Dyadic(falls ? upper : lower));
      if (room.sign() != 0 && falls == (wall.row % 2 != 0))
        corner[d].add(falls ? room.mantissa : mpz_class(-room.mantissa), room.exponent);
      unit = d == 0 ? widths[d].exponent : std::min(unit, widths[d].exponent);
    }
    std::vector<mpz_class> whole(n);
    for (std::size_t d = 0; d < n; ++d)
      whole[d] = widths[d].mantissa << static_cast<mp_bitcnt_t>(widths[d].exponent - unit);
    const auto shifted = [&](Row row, std::vector<mpz_class>& out) {
      for (std::size_t d = 0; d < n; ++d) {
        row[n].add(row[d].mantissa * corner[d].mantissa, row[d].exponent + corner[d].exponent);
        if (cost[d].sign() < 0) row[d].negate();
        row[d].exponent += unit;
      }
      put_integers(row, out);
    };
    system.resize(sides.size() + 1);
    for (std::size_t i = 0; i < sides.size(); ++i) {
      Row row = form(sides[i].wall);
      if (sides[i].sign < 0) negate(row);
      shifted(std::move(row), system[i]);
    }
    shifted(cost, system.back());
    return minimum_is_negative(system, whole);
  }

  static bool is_constant(const Row& row) {
    return std::all_of(row.begin(), row.end() - 1, [](const Dyadic& x) { return x.sign() == 0; });
  }

  static int sign_of(const Row& row, const VectorRef& t) {
    Dyadic sum = row.back();
    for (Index d = 0; d < t.size(); ++d) sum.add_product(t[d], row[static_cast<std::size_t>(d)]);
    return sum.sign();
  }

  // The forms of these sides, positive inside, but for those that are constant.
  std::vector<Row> inward(std::span<const WallSide> sides) {
    std::vector<Row> normals;
    for (const WallSide& side : sides) {
      Row row = form(side.wall);
      if (is_constant(row)) continue;
      if (side.sign < 0) negate(row);
      normals.push_back(std::move(row));
    }
    return normals;
  }

  bool is_inside(const VectorRef& t, const std::vector<Row>& inward) const {
    return (t.array() > domain.box.lower.array()).all() && (t.array() < domain.box.upper.array()).all() &&
           std::ranges::all_of(inward, [&](const Row& row) { return sign_of(row, t) > 0; });
  }

  std::optional<std::vector<mpq_class>> deepest_point(const std::vector<Row>& normals) {
    system.resize(static_cast<std::size_t>(2 * k) + normals.size());
    for (Index w = 0; w < 2 * k; ++w) {
      Row row = form({-1, w, -1, 0, 0, 0});
      if (w % 2 != 0) negate(row);
      put_integers(row, system[static_cast<std::size_t>(w)]);
    }
    for (std::size_t i = 0; i < normals.size(); ++i)
      put_integers(normals[i], system[static_cast<std::size_t>(2 * k) + i]);
    // Normals are brought to about one length: the point would else be next to the wall of the longest one.
    std::vector<std::size_t> bits;
    for (const std::vector<mpz_class>& row : system) {
      bits.push_back(0);
      for (std::size_t d = 0; d + 1 < row.size(); ++d)
        bits.back() = std::max(bits.back(), mpz_sizeinbase(row[d].get_mpz_t(), 2));
    }
    const std::size_t most = *std::ranges::max_element(bits);
    for (std::size_t i = 0; i < system.size(); ++i) {
      for (mpz_class& x : system[i]) x <<= most - bits[i];
    }
    return deepest_point_of(system);
  }

  std::optional<Vector> point_inside(std::span<const WallSide> sides) {
    const std::vector<Row> normals = inward(sides);
    const std::optional<std::vector<mpq_class>> deepest = deepest_point(normals);
    if (!deepest) return {};
    Vector t(k);
    for (Index d = 0; d < k; ++d) t[d] = nearest_double((*deepest)[static_cast<std::size_t>(d)]);
    if (is_inside(t, normals)) return t;
    if (k > kMostNeighbours) return {};
    const Vector center = t;
    Index ways = 1;
    for (Index d = 0; d < k; ++d) ways *= 3;
    for (Index way = 1; way < ways; ++way) {
      for (Index d = 0, rest = way; d < k; ++d, rest /= 3) {
        const double infinity = std::numeric_limits<double>::infinity();
        t[d] = rest % 3 == 0 ? center[d] : std::nextafter(center[d], rest % 3 == 1 ? infinity : -infinity);
      }
      if (is_inside(t, normals)) return t;
    }
    return {};
  }

  static void negate(Row& row) {
    for (Dyadic& x : row) x.negate();
  }

  const Stages& stages;
  const Domain& domain;
  Index k;
  std::vector<std::vector<RowLink>> links;
  std::vector<std::vector<Row>> rows;
  std::vector<std::uint16_t> pieces;
  std::vector<std::vector<mpz_class>> system;
};

ExactForms::ExactForms(const Stages& stages, const Domain& domain) : cache_(std::make_unique<Cache>(stages, domain)) {}
ExactForms::~ExactForms() = default;

int ExactForms::sign_at(const Hyperplane& form, std::span<const Hyperplane> at, std::span<const std::uint16_t> pieces) {
  ++asked_;
  cache_->follow(pieces, form.stage);
  return cache_->sign_where(cache_->form(form), at);
}

Vector ExactForms::point_at(std::span<const Hyperplane> at, std::span<const std::uint16_t> pieces) {
  ++asked_;
  int stage = 0;
  for (const Hyperplane& wall : at) stage = std::max(stage, wall.stage);
  cache_->follow(pieces, stage);
  Vector t(cache_->k);
  for (Index d = 0; d < cache_->k; ++d) {
    Row coordinate(static_cast<std::size_t>(cache_->k) + 1);
    coordinate[static_cast<std::size_t>(d)].add(Dyadic(1));
    const auto [numerator, denominator] = cache_->value_where(coordinate, at);
    mpq_class ratio(numerator, denominator * coordinate[static_cast<std::size_t>(d)].mantissa);
    ratio.canonicalize();
    t[d] = nearest_double(ratio);
  }
  return t;
}

bool ExactForms::positive_over(const Hyperplane& form, int sign, std::span<const WallSide> sides,
                               std::span<const std::uint16_t> pieces) {
  ++asked_;
  int stage = form.stage;
  for (const WallSide& side : sides) stage = std::max(stage, side.wall.stage);
  cache_->follow(pieces, stage);
  return cache_->positive_over(form, sign, sides);
}

WholeMultiple ExactForms::form_of(const Hyperplane& wall, std::span<const std::uint16_t> pieces) {
  ++asked_;
  cache_->follow(pieces, wall.stage);
  WholeMultiple out;
  out.exponent = Cache::put_integers(cache_->form(wall), out.row);
  return out;
}

int ExactForms::sign_of(const Hyperplane& form, const VectorRef& t, std::span<const std::uint16_t> pieces) {
  ++asked_;
  cache_->follow(pieces, form.stage);
  return Cache::sign_of(cache_->form(form), t);
}

int ExactForms::sign_of(const Hyperplane& form, const ExactPoint& t, std::span<const std::uint16_t> pieces) {
  ++asked_;
  cache_->follow(pieces, form.stage);
  std::vector<mpz_class> row;
  Cache::put_integers(cache_->form(form), row);
  mpz_class sum = row.back() * t.numbers_->denominator;
  for (std::size_t d = 0; d + 1 < row.size(); ++d) sum += row[d] * t.numbers_->numerators[d];
  return sgn(sum);
}

std::optional<ExactPoint> ExactForms::deepest_point(std::span<const WallSide> sides,
                                                    std::span<const std::uint16_t> pieces) {
  ++asked_;
  cache_->follow(pieces, last_stage(sides));
  const std::optional<std::vector<mpq_class>> point = cache_->deepest_point(cache_->inward(sides));
  if (!point) return {};
  auto numbers = std::make_shared<ExactPoint::Numbers>();
  for (const mpq_class& x : *point)
    mpz_lcm(numbers->denominator.get_mpz_t(), numbers->denominator.get_mpz_t(), x.get_den().get_mpz_t());
  for (const mpq_class& x : *point) numbers->numerators.push_back(x.get_num() * (numbers->denominator / x.get_den()));
  ExactPoint out;
  out.numbers_ = std::move(numbers);
  return out;
}

bool ExactForms::is_constant(const Hyperplane& form, std::span<const std::uint16_t> pieces) {
  cache_->follow(pieces, form.stage);
  return Cache::is_constant(cache_->form(form));
}

bool ExactForms::is_inside(const VectorRef& t, std::span<const WallSide> sides, std::span<const std::uint16_t> pieces) {
  ++asked_;
  cache_->follow(pieces, last_stage(sides));
  return cache_->is_inside(t, cache_->inward(sides));
}

std::optional<Vector> ExactForms::point_inside(std::span<const WallSide> sides, std::span<const std::uint16_t> pieces) {
  ++asked_;
  cache_->follow(pieces, last_stage(sides));
  return cache_->point_inside(sides);
}

bool ExactForms::same_map(std::span<const std::uint16_t> one, std::span<const std::uint16_t> other) {
  const int last = cache_->stages.size() - 1;
  const auto rows = [&](std::span<const std::uint16_t> pieces) {
    cache_->follow(pieces, last);
    for (Index i = 0; i < cache_->stages[last].size; ++i) cache_->row(last, i);
    return cache_->rows.back();
  };
  return std::ranges::equal(rows(one), rows(other), [](const Row& x, const Row& y) {
    return std::ranges::equal(x, y, [](const Dyadic& a, const Dyadic& b) { return a.minus(b).sign() == 0; });
  });
}

}  // namespace unrect
