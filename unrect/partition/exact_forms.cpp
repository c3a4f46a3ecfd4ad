#include "unrect/partition/exact_forms.hpp"

#include <fmt/format.h>
#include <gmpxx.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

// mantissa · 2^exponent.
struct Dyadic {
  mpz_class mantissa = 0;
  long exponent = 0;

  void add(const mpz_class& m, long e) {
    if (sgn(m) == 0) return;
    if (sgn(mantissa) == 0) {
      mantissa = m;
      exponent = e;
    } else if (e >= exponent) {
      mantissa += m << static_cast<mp_bitcnt_t>(e - exponent);
    } else {
      mantissa <<= static_cast<mp_bitcnt_t>(exponent - e);
      mantissa += m;
      exponent = e;
    }
  }
};

// w = digits · 2^exponent.
struct Weight {
  explicit Weight(double w) {
    int e = 0;
    digits = static_cast<long>(std::ldexp(std::frexp(w, &e), 53));
    exponent = e - 53;
  }
  long digits = 0;
  long exponent = 0;
};

void add_product(Dyadic& sum, double w, const Dyadic& x) {
  if (w == 0 || sgn(x.mantissa) == 0) return;
  const Weight weight(w);
  sum.add(x.mantissa * weight.digits, x.exponent + weight.exponent);
}

void add_number(Dyadic& sum, double w) {
  if (w == 0) return;
  const Weight weight(w);
  sum.add(mpz_class(weight.digits), weight.exponent);
}

using Row = std::vector<Dyadic>;  // k coefficients, then the constant

// A link by rows, for one unit at a time.
struct RowLink {
  int source = 0;
  std::vector<std::vector<std::pair<Index, double>>> rows;
};

}  // namespace

struct ExactForms::Cache {
  Cache(const Stages& network, const Domain& where) : stages(network), domain(where), k(where.dimension()) {
    for (const Stage& stage : stages.stages) {
      links.emplace_back();
      rows.emplace_back(static_cast<std::size_t>(stage.size));
      for (const Link& link : stage.links) {
        RowLink by_row{link.source,
                       std::vector<std::vector<std::pair<Index, double>>>(static_cast<std::size_t>(stage.size))};
        if (link.dense()) {
          for (Index j = 0; j < link.columns.rows(); ++j) {
            for (Index i = 0; i < stage.size; ++i) {
              if (link.columns(j, i) != 0) by_row.rows[static_cast<std::size_t>(i)].emplace_back(j, link.columns(j, i));
            }
          }
        } else {
          for (std::size_t j = 0; j + 1 < link.start.size(); ++j) {
            for (auto e = static_cast<std::size_t>(link.start[j]); e < static_cast<std::size_t>(link.start[j + 1]);
                 ++e) {
              by_row.rows[static_cast<std::size_t>(link.row[e])].emplace_back(static_cast<Index>(j), link.weight[e]);
            }
          }
        }
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
      for (Index d = 0; d < k; ++d) add_number(sum[static_cast<std::size_t>(d)], domain.axes(i, d));
      add_number(sum.back(), domain.origin[i]);
    }
    for (const Vector& bias : stages[s].biases) add_number(sum.back(), bias[i]);
    for (const RowLink& link : links[static_cast<std::size_t>(s)]) {
      for (const auto& [j, weight] : link.rows[static_cast<std::size_t>(i)]) {
        const Row a = activated(link.source, j);
        for (std::size_t d = 0; d < sum.size() && !a.empty(); ++d) add_product(sum[d], weight, a[d]);
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
      for (std::size_t d = 0; d < out.size(); ++d) add_product(out[d], slope, z[d]);
    }
    add_number(out.back(), offset);
    return out;
  }

  // The function that vanishes on the wall.
  Row form(const Hyperplane& wall) {
    if (wall.stage < 0) {
      Row out(static_cast<std::size_t>(k) + 1);
      if (wall.row < 2 * k) {
        const Index d = wall.row / 2;
        add_number(out[static_cast<std::size_t>(d)], 1);
        add_number(out.back(), -(wall.row % 2 == 0 ? domain.box.lower[d] : domain.box.upper[d]));
      } else {
        const Index r = wall.row - 2 * k;
        for (Index d = 0; d < k; ++d) add_number(out[static_cast<std::size_t>(d)], domain.constraints.normals(r, d));
        add_number(out.back(), -domain.constraints.offsets[r]);
      }
      return out;
    }
    Row out = row(wall.stage, wall.row);
    if (wall.other >= 0) {
      const Row& other = row(wall.stage, wall.other);
      for (std::size_t d = 0; d < out.size(); ++d) add_product(out[d], -1, other[d]);
    }
    add_number(out.back(), -wall.threshold);
    return out;
  }

  // Integers in proportion to a row: its numbers times a power of two.
  static void put_integers(const Row& row, std::vector<mpz_class>& out) {
    long lowest = 0;
    bool any = false;
    for (const Dyadic& x : row) {
      if (sgn(x.mantissa) == 0) continue;
      lowest = any ? std::min(lowest, x.exponent) : x.exponent;
      any = true;
    }
    out.resize(row.size());
    for (std::size_t d = 0; d < row.size(); ++d) {
      out[d] = row[d].mantissa;
      if (sgn(out[d]) != 0) out[d] <<= static_cast<mp_bitcnt_t>(row[d].exponent - lowest);
    }
  }

  // Sign of p·t + q where A t + b = 0: det [A b; p q] / det A, by Bareiss' elimination, whose divisions are exact.
  int sign_where(const Row& f, std::span<const Hyperplane> walls) {
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
    return sgn(system.back()[n]) * sgn(previous);
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

}  // namespace unrect
