#include "unrect/region/internal/exact_region.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/polytope/internal/whole.hpp"
#include "unrect/region/internal/walls.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTiny = std::numeric_limits<double>::min();

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

// Forms over one parameter whose constants are the values at x.
Domain domain_at(const VectorRef& x) { return Domain(Vector(x), Matrix(Vector::Unit(x.size(), 0)), unit_box(1)); }

// The plane's function where a stage reads z, and how far it may be off.
std::pair<double, double> value_of(const Hyperplane& plane, const Values& z) {
  const bool pair = plane.other >= 0;
  const double own = z.value[plane.row], other = pair ? z.value[plane.other] : 0;
  const double rounding = 4 * kEpsilon * (std::abs(own) + std::abs(other) + std::abs(plane.threshold)) + kTiny;
  return {own - other - plane.threshold, z.error[plane.row] + (pair ? z.error[plane.other] : 0) + rounding};
}

}  // namespace

struct ExactRegion::Known {
  Known(const Stages& stages, const Domain& domain) : forms(stages, domain) {}
  ExactForms forms;
  std::map<Index, WholeMultiple> rows;
};

std::vector<Unit> settle_pieces(const Network& network, const VectorRef& x, Configuration& configuration) {
  check_configuration(network, configuration);
  const Stages stages = stages_of(network);
  const Domain point = domain_at(x);
  const Vector origin = Vector::Zero(1);
  std::optional<ExactForms> exact;
  std::vector<std::uint16_t> pieces(static_cast<std::size_t>(stages.units()), 0);
  std::vector<Values> values;
  std::vector<Unit> at_break;
  for (int s = 0; s < stages.size(); ++s) {
    const Stage& stage = stages[s];
    values.push_back(s == 0 ? Values{Vector(x), Vector::Zero(x.size())} : pre_activations(stage, stages, values, true));
    if (stage.layer < 0) continue;
    const auto sign = [&](const Hyperplane& plane) {
      const auto [value, doubt] = value_of(plane, values.back());
      if (std::abs(value) > doubt) return value > 0 ? 1 : -1;
      if (!exact) exact.emplace(stages, point);
      return exact->sign_of(plane, origin, pieces);
    };
    std::uint16_t* const own = pieces.data() + stages.first_unit[at(stage.layer)];
    for (Index i = 0; i < stage.units(); ++i) {
      bool tied = false;
      if (const Piecewise* f = stage.piecewise()) {
        for (Index b = 0; b < f->breaks.cols(); ++b) {
          const int side = sign({s, i, -1, f->breaks(f->row_of(i), b), b, i});
          if (side > 0) own[i] = static_cast<std::uint16_t>(b + 1);
          tied = tied || side == 0;
        }
      } else {
        const Maximum& max = *stage.maximum();
        const Index* const slots = max.index.data() + i * max.width;
        Index best = -1;
        for (Index slot = 0; slot < max.width; ++slot) {
          if (slots[slot] < 0) continue;
          const int side = best < 0 ? 1 : sign({s, slots[slot], slots[best], 0, best, i});
          tied = side == 0 || (tied && side < 0);
          if (side > 0) best = slot;
        }
        own[i] = static_cast<std::uint16_t>(best);
      }
      if (tied) at_break.push_back({stage.layer, i});
    }
    std::copy_n(own, stage.units(), configuration.layers[at(stage.layer)].begin());
    values.back() = on_pieces(stage, own, std::move(values.back()), true);
  }
  return at_break;
}

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
  std::optional<long> top;  // none of a row of zeros
  for (const mpz_class& x : exact.row) {
    long e = 0;
    mantissas.push_back(mpz_get_d_2exp(&e, x.get_mpz_t()));
    exponents.push_back(e - exact.exponent);
    if (sgn(x) != 0) top = std::max(top.value_or(exponents.back()), exponents.back());
  }
  const long shift = top && std::abs(*top) > 900 ? -*top : 0;
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
  const Domain point = domain_at(x);
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
      const auto [raw, doubt] = value_of(plane, z);
      const double value = sign * raw;
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

double ExactRegion::clearance(const VectorRef& t, const Halfspaces& rows, double most) {
  const Vector x = domain_.point(t);
  std::vector<Values> values;
  // Its errors are sums of |products of weights| along all paths: what one relative rounding of a row is relative to.
  std::vector<Values> reach;
  double terms = 0;
  for (int s = 0; s < stages_.size(); ++s) {
    const Stage& stage = stages_[s];
    values.push_back(s == 0 ? Values{x, Vector::Zero(x.size())} : pre_activations(stage, stages_, values, true));
    reach.push_back(s == 0 ? Values{Vector::Zero(x.size()), Vector::Ones(x.size())}
                           : pre_activations(stage, stages_, reach, false));
    for (const Link& link : stage.links) terms += static_cast<double>(stages_[link.source].units());
    terms += 2 + static_cast<double>(stage.biases.size());
    if (stage.layer < 0) continue;
    for (Index i = first_wall_[at(stage.layer)]; i < first_wall_[at(stage.layer) + 1]; ++i) {
      if (known_ && known_->rows.contains(i)) {  // `rows` may hold a multiple of it
        most = std::min(most, exact_distance(i, t));
        continue;
      }
      const Hyperplane& plane = walls_[at(i)].plane;
      const auto [raw, doubt] = value_of(plane, values.back());
      const Vector& paths = reach.back().error;
      const double norm = rows.normals.row(i).stableNorm();
      const double error = 8 * kEpsilon * terms * (paths[plane.row] + (plane.other >= 0 ? paths[plane.other] : 0));
      const double slack = -walls_[at(i)].sign * raw;
      const double bound = (slack - doubt) / (norm + error) * (1 - 8 * kEpsilon);
      if (bound >= most) continue;
      const bool sharp = doubt < 5e-4 * slack && error < 5e-4 * norm && std::isfinite(norm);
      most = sharp ? bound : std::min(most, exact_distance(i, t));
    }
    const std::uint16_t* const own = pieces_.data() + stages_.first_unit[at(stage.layer)];
    values.back() = on_pieces(stage, own, std::move(values.back()), true);
    reach.back() = on_pieces(stage, own, std::move(reach.back()), false);
  }
  return std::max(most, 0.0);
}

// (b_i − a_i·t)/‖a_i‖, rounded down; infinite for a row without a normal.
double ExactRegion::exact_distance(Index i, const VectorRef& t) {
  const WholeRow& exact = row(i).row;
  mpz_class squares;
  for (std::size_t j = 0; j + 1 < exact.size(); ++j) squares += exact[j] * exact[j];
  if (sgn(squares) == 0) return std::numeric_limits<double>::infinity();
  const WholeMultiple point = whole_multiple(t);
  // Both times 2^shift: t then is whole.
  const long shift = std::max(point.exponent, 0L);
  mpz_class slack = -exact.back();
  slack <<= static_cast<mp_bitcnt_t>(shift);
  for (std::size_t j = 0; j + 1 < exact.size(); ++j) {
    const mpz_class scaled = point.row[j] << static_cast<mp_bitcnt_t>(shift - point.exponent);
    slack -= exact[j] * scaled;
  }
  squares <<= static_cast<mp_bitcnt_t>(2 * (shift + 64));
  slack <<= 64;
  const mpz_class length = sqrt(squares) + 1;
  return ratio(slack, length) * (1 - 8 * kEpsilon);
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
