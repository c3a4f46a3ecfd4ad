#include "unrect/region/internal/exact_region.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "unrect/base/error.hpp"
#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/polytope/internal/whole.hpp"
#include "unrect/region/internal/walls.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTiny = std::numeric_limits<double>::min();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Box unit_box(Index n) { return {Vector::Zero(n), Vector::Ones(n)}; }

// Values in double and how far they may be off.
struct Values {
  Vector value, error;
};

// z and its error bound. A sum of n products is off by at most (n + 1) ε Σ|w||a|, and what underflows by n times the
// smallest number.
Values pre_activations(const Stage& stage, const Stages& stages, const std::vector<Values>& before, bool constants) {
  Values z{Vector::Zero(stage.size), Vector::Zero(stage.size)};
  double terms = static_cast<double>(stage.biases.size()) + 2;
  for (const Link& link : stage.links) terms += static_cast<double>(stages[link.source].units());
  const double gamma = terms * kEpsilon;
  for (const Link& link : stage.links) {
    const Values& a = before[at(link.source)];
    for (Index j = 0; j < a.value.size(); ++j) {
      const double x = a.value[j], doubt = a.error[j] + gamma * std::abs(x);
      if (x == 0 && doubt == 0) continue;
      if (link.dense()) {
        z.value += x * link.columns.row(j).head(stage.size).transpose();
        z.error += doubt * link.columns.row(j).head(stage.size).cwiseAbs().transpose();
      } else {
        for (auto e = at(link.start[at(j)]); e < at(link.start[at(j) + 1]); ++e) {
          z.value[link.row[e]] += x * link.weight[e];
          z.error[link.row[e]] += doubt * std::abs(link.weight[e]);
        }
      }
    }
  }
  for (const Vector& bias : stage.biases) {
    if (!constants) break;
    z.value += bias;
    z.error += gamma * bias.cwiseAbs();
  }
  // The bound is a sum of positive numbers, itself rounded.
  z.error = (1 + 2 * gamma) * z.error.array() + 2 * terms * kTiny;
  return z;
}

Values on_pieces(const Stage& stage, const std::uint16_t* pieces, Values z, bool constants) {
  if (const Maximum* max = stage.maximum()) {
    Values a{Vector(max->units()), Vector(max->units())};
    for (Index i = 0; i < max->units(); ++i) {
      const Index from = max->index[at(i * max->width + pieces[i])];
      a.value[i] = z.value[from];
      a.error[i] = z.error[from];
    }
    return a;
  }
  const Piecewise* f = stage.piecewise();
  if (!f) return z;
  for (Index i = 0; i < stage.size; ++i) {
    const double slope = f->slopes(f->row_of(i), pieces[i]);
    const double offset = constants ? f->offsets(f->row_of(i), pieces[i]) : 0;
    const double product = slope * z.value[i];
    const bool copies = offset == 0 && (slope == 0 || std::abs(slope) == 1);
    z.error[i] = std::abs(slope) * z.error[i] * (1 + 4 * kEpsilon) +
                 (copies ? 0 : 2 * kEpsilon * (std::abs(product) + std::abs(offset)) + 2 * kTiny);
    z.value[i] = product + offset;
  }
  return z;
}

}  // namespace

struct ExactRegion::Known {
  Known(const Stages& stages, const Domain& domain) : forms(stages, domain) {}
  ExactForms forms;
  std::map<Index, WholeMultiple> rows;
};

ExactRegion::ExactRegion(const Region& region, const std::optional<Box>& box)
    : stages_(stages_of(region.network())), domain_(box ? *box : unit_box(region.network().input_size())) {
  UNRECT_REQUIRE(domain_.input_size() == region.network().input_size(), ErrorCode::kInvalidArgument,
                 "a box of dimension {}, the network takes {} inputs", domain_.input_size(),
                 region.network().input_size());
  const auto& layers = region.configuration().layers;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    pieces_.insert(pieces_.end(), layers[l].begin(), layers[l].end());
    first_wall_.push_back(size());
    const Op& op = *region.network().node(region.network().layers()[l]).op;
    for_each_wall(op, layers[l], [&](Index unit, const WallForm& wall) {
      const Index piece = std::min<Index>(wall.beyond, layers[l][at(unit)]);
      walls_.push_back({{stages_.of_layer[l], wall.plus, wall.minus, wall.sign * wall.bound, piece, unit},
                        wall.sign > 0 ? 1 : -1,
                        wall.beyond > layers[l][at(unit)]});
    });
  }
  first_wall_.push_back(size());
}

ExactRegion::~ExactRegion() = default;

const WholeMultiple& ExactRegion::row(Index i) {
  if (!known_) known_ = std::make_unique<Known>(stages_, domain_);
  const auto known = known_->rows.find(i);
  if (known != known_->rows.end()) return known->second;
  WholeMultiple row = known_->forms.form_of(walls_[at(i)].plane, pieces_);
  if (walls_[at(i)].sign < 0) {
    for (mpz_class& x : row.row) mpz_neg(x.get_mpz_t(), x.get_mpz_t());
  }
  return known_->rows.emplace(i, std::move(row)).first->second;
}

Vector ExactRegion::rounded_row(Index i) {
  const WholeMultiple& exact = row(i);
  std::vector<double> mantissas;
  std::vector<long> exponents;
  long top = std::numeric_limits<long>::min();
  for (const mpz_class& x : exact.row) {
    long e = 0;
    mantissas.push_back(mpz_get_d_2exp(&e, x.get_mpz_t()));
    exponents.push_back(e - exact.exponent);
    if (sgn(x) != 0) top = std::max(top, exponents.back());
  }
  const long shift = std::abs(top) > 900 ? -top : 0;
  Vector out(static_cast<Index>(exact.row.size()));
  for (Index j = 0; j < out.size(); ++j) {
    out[j] = std::ldexp(mantissas[at(j)], static_cast<int>(std::max(exponents[at(j)] + shift, -3000L)));
  }
  out[out.size() - 1] *= -1;
  return out;
}

ExactRegion::Constant ExactRegion::constant(Index i) {
  const WholeRow& exact = row(i).row;
  if (std::any_of(exact.begin(), exact.end() - 1, [](const mpz_class& x) { return sgn(x) != 0; })) {
    return Constant::kNone;
  }
  const int sign = sgn(exact.back());
  if (sign == 0) return walls_[at(i)].closed ? Constant::kHolds : Constant::kTied;
  return sign < 0 ? Constant::kHolds : Constant::kExcludes;
}

std::vector<Index> ExactRegion::missed(const VectorRef& x) {
  std::vector<Index> out;
  // Forms over one parameter whose constants are the values at x.
  const Domain point(Vector(x), Matrix(Vector::Unit(x.size(), 0)), unit_box(1));
  std::optional<ExactForms> at_point;
  std::vector<Values> values;
  for (int s = 0; s < stages_.size(); ++s) {
    const Stage& stage = stages_[s];
    if (s == 0) {
      values.push_back({Vector(x), Vector::Zero(x.size())});
    } else {
      values.push_back(pre_activations(stage, stages_, values, true));
    }
    if (stage.layer < 0) continue;
    const Values& z = values.back();
    for (Index i = first_wall_[at(stage.layer)]; i < first_wall_[at(stage.layer) + 1]; ++i) {
      const Hyperplane& plane = walls_[at(i)].plane;
      const int sign = walls_[at(i)].sign;
      const double other = plane.other >= 0 ? z.value[plane.other] : 0;
      const double value = sign * (z.value[plane.row] - other - plane.threshold);
      const double doubt = z.error[plane.row] + (plane.other >= 0 ? z.error[plane.other] : 0) +
                           4 * kEpsilon * (std::abs(z.value[plane.row]) + std::abs(other) + std::abs(plane.threshold)) +
                           kTiny;
      if (value < -doubt) continue;
      if (value > doubt) {
        out.push_back(i);
        continue;
      }
      if (!at_point) at_point.emplace(stages_, point);
      const int exact = sign * sgn(at_point->form_of(plane, pieces_).row.back());
      if (exact > 0 || (exact == 0 && constant(i) != Constant::kHolds)) out.push_back(i);
    }
    if (!out.empty()) return out;
    values.back() =
        on_pieces(stage, pieces_.data() + stages_.first_unit[at(stage.layer)], std::move(values.back()), true);
  }
  return out;
}

bool ExactRegion::recedes(const VectorRef& u) {
  const WholeMultiple whole = whole_multiple(u);
  std::vector<Values> values{{Vector(u), Vector::Zero(u.size())}};
  for (int s = 0; s < stages_.size(); ++s) {
    const Stage& stage = stages_[s];
    if (s > 0) values.push_back(pre_activations(stage, stages_, values, false));
    if (stage.layer < 0) continue;
    const Values& z = values.back();
    for (Index i = first_wall_[at(stage.layer)]; i < first_wall_[at(stage.layer) + 1]; ++i) {
      const Hyperplane& plane = walls_[at(i)].plane;
      const double other = plane.other >= 0 ? z.value[plane.other] : 0;
      const double slope = walls_[at(i)].sign * (z.value[plane.row] - other);
      const double doubt = z.error[plane.row] + (plane.other >= 0 ? z.error[plane.other] : 0) +
                           4 * kEpsilon * (std::abs(z.value[plane.row]) + std::abs(other)) + kTiny;
      if (slope < -doubt) continue;
      if (slope > doubt) return false;
      const WholeRow& exact = row(i).row;
      mpz_class product;
      bool normal = false;
      for (std::size_t j = 0; j + 1 < exact.size(); ++j) {
        normal = normal || sgn(exact[j]) != 0;
        mpz_addmul(product.get_mpz_t(), exact[j].get_mpz_t(), whole.row[j].get_mpz_t());
      }
      if (normal && sgn(product) >= 0) return false;
    }
    values.back() =
        on_pieces(stage, pieces_.data() + stages_.first_unit[at(stage.layer)], std::move(values.back()), false);
  }
  return true;
}

double ExactRegion::cost() const {
  double weights = 0;
  for (const Stage& stage : stages_.stages) {
    for (const Link& link : stage.links) {
      weights += static_cast<double>(link.dense() ? link.columns.size() : static_cast<Index>(link.weight.size()));
    }
  }
  return weights * static_cast<double>(domain_.dimension() + 1);
}

}  // namespace unrect
