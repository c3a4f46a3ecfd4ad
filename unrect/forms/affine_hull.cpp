#include "unrect/forms/internal/affine_hull.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/forms/internal/largest_margin.hpp"
#include "unrect/forms/internal/rational_terms.hpp"

namespace unrect {
namespace {

using namespace hull;

bool is_power_of_two(const mpz_class& x) {
  return sgn(x) != 0 && mpz_scan1(x.get_mpz_t(), 0) + 1 == mpz_sizeinbase(x.get_mpz_t(), 2);
}

// What an equality is solved for.
enum class Solve {
  kDyadic,   // a coefficient that is a power of two, made by Euclid's steps if need be: no rounding, or large numbers
  kLargest,  // the largest coefficient: rounding, of small numbers
};

struct Contradiction {
  Reasons why;
};

std::string term_text(double factor, const std::string& name, bool first) {
  const std::string size = std::abs(factor) == 1 ? name : fmt::format("{} {}", std::abs(factor), name);
  return first ? (factor < 0 ? "-" : "") + size : (factor < 0 ? " - " : " + ") + size;
}

std::string row_text(const Halfspaces& rows, Index r) {
  constexpr Index kShown = 5;
  std::string text;
  Index shown = 0;
  for (Index j = 0; j < rows.dimension(); ++j) {
    const double factor = rows.normals(r, j);
    if (factor == 0) continue;
    if (++shown > kShown) return fmt::format("{} + … ≤ {}", text, rows.offsets[r]);
    text += term_text(factor, fmt::format("x{}", j), text.empty());
  }
  return fmt::format("{} ≤ {}", text.empty() ? "0" : text, rows.offsets[r]);
}

}  // namespace

class AffineHull::System {
 public:
  // Inputs x over parameters t, and the sides of t, which are the first 2k reasons.
  System(std::vector<Affine> inputs, Box box, std::string parameter)
      : inputs_(std::move(inputs)), box_(std::move(box)), parameter_(std::move(parameter)) {
    for (Index d = 0; d < box_.dimension(); ++d) {
      outer_.emplace_back(box_.lower[d], box_.upper[d]);
      const bool fixed = box_.lower[d] == box_.upper[d];
      alive_.push_back(!fixed);
      if (!fixed) restrict({{d, 1}}, {Bound{outer_.back().first, {2 * d}}, Bound{outer_.back().second, {2 * d + 1}}});
    }
    rows_from_ = 2 * box_.dimension();
  }

  // Rows on t, before any on x.
  void add_on_parameters(const Halfspaces& rows) {
    for (Index r = 0; r < rows.size(); ++r) {
      Affine form{{}, 0, {rows_from_ + earlier_++}};
      for (Index d = 0; d < rows.dimension(); ++d) {
        if (rows.normals(r, d) != 0) form.terms.emplace_back(d, rows.normals(r, d));
      }
      pending_.emplace_back(std::move(form), rows.offsets[r]);
    }
  }

  void add(const Halfspaces& rows) {
    for (Index r = 0; r < rows.size(); ++r) {
      Affine form{{}, 0, {rows_from_ + earlier_ + given_.size() + r}};
      for (Index j = 0; j < rows.dimension(); ++j) {
        if (rows.normals(r, j) == 0) continue;
        const Rational factor = rows.normals(r, j);
        const Affine& x = inputs_[at(j)];
        for (const auto& [d, a] : x.terms) form.terms.emplace_back(d, factor * a);
        form.constant += factor * x.constant;
        form.why = together(form.why, x.why);
      }
      gather(form.terms);
      pending_.emplace_back(std::move(form), rows.offsets[r]);
    }
    given_ = given_.size() == 0 ? rows : intersect(given_, rows);
  }

  // Down to parameters that are independent over the set. @throws Contradiction.
  void reduce(Solve how) {
    how_ = how;
    for (auto& [form, bound] : pending_) {
      bound -= form.constant;
      restrict(std::move(form.terms), {std::nullopt, Bound{bound, std::move(form.why)}});
    }
    pending_.clear();
    do {
      while (!equal_.empty()) {
        const auto found = bands_.find(equal_.back());
        equal_.pop_back();
        if (found == bands_.end() || !found->second.closed()) continue;
        const Terms terms = found->first;
        const Bound value{found->second.lower->value, together(found->second.lower->why, found->second.upper->why)};
        bands_.erase(found);
        eliminate(terms, value);
      }
    } while (close_implicit());
  }

  Index dimension() const { return std::ranges::count(alive_, true); }

  void put(Domain& domain) const;
  std::string text(const Reasons& why) const;
  std::string point() const;

 private:
  void restrict(Terms terms, Band band) {
    if (terms.empty()) {
      if (band.lower && band.lower->value > 0) throw Contradiction{band.lower->why};
      if (band.upper && band.upper->value < 0) throw Contradiction{band.upper->why};
      return;
    }
    const Rational first = terms.front().second;
    if (first != 1) {
      for (auto& [d, factor] : terms) factor /= first;
      if (band.lower) band.lower->value /= first;
      if (band.upper) band.upper->value /= first;
      if (first < 0) std::swap(band.lower, band.upper);
    }
    const auto [place, fresh] = bands_.try_emplace(std::move(terms));
    Band& kept = place->second;
    if (band.lower && (!kept.lower || band.lower->value > kept.lower->value)) kept.lower = std::move(band.lower);
    if (band.upper && (!kept.upper || band.upper->value < kept.upper->value)) kept.upper = std::move(band.upper);
    if (kept.lower && kept.upper && kept.lower->value > kept.upper->value) {
      throw Contradiction{together(kept.lower->why, kept.upper->why)};
    }
    if (kept.closed()) equal_.push_back(place->first);
  }

  void replace(Index d, const Affine& by) {
    for (Affine& x : inputs_) substitute(x, d, by);
    std::vector<std::pair<Terms, Band>> changed;
    for (auto it = bands_.begin(); it != bands_.end();) {
      if (find(it->first, d) == it->first.end()) {
        ++it;
        continue;
      }
      Affine form{it->first, 0, {}};
      substitute(form, d, by);
      Band band = std::move(it->second);
      for (std::optional<Bound>* side : {&band.lower, &band.upper}) {
        if (!*side) continue;
        (*side)->value -= form.constant;
        (*side)->why = together((*side)->why, form.why);
      }
      changed.emplace_back(std::move(form.terms), std::move(band));
      it = bands_.erase(it);
    }
    for (auto& [terms, band] : changed) restrict(std::move(terms), std::move(band));
  }

  // Solves terms = value for one parameter, exactly in dyadics if there is any dyadic solution.
  void eliminate(const Terms& terms, const Bound& value) {
    std::vector<const Rational*> numbers;
    for (const auto& term : terms) numbers.push_back(&term.second);
    const Rational factor = whole(numbers);
    std::map<Index, mpz_class> left;
    for (const auto& [d, a] : terms) left[d] = Rational(a * factor).get_num();
    const Rational right = value.value * factor;
    for (;;) {
      auto pivot = left.end();
      auto smallest = left.begin();
      for (auto it = left.begin(); it != left.end(); ++it) {
        if (abs(it->second) < abs(smallest->second)) smallest = it;
        if (how_ == Solve::kDyadic && left.size() > 1 && !is_power_of_two(it->second)) continue;
        if (pivot == left.end() || abs(it->second) >= abs(pivot->second)) pivot = it;
      }
      if (pivot != left.end()) {
        Affine by{{}, right / pivot->second, value.why};
        for (const auto& [d, a] : left) {
          if (d == pivot->first) continue;
          Rational ratio(-a, pivot->second);
          ratio.canonicalize();
          by.terms.emplace_back(d, std::move(ratio));
        }
        alive_[at(pivot->first)] = false;
        replace(pivot->first, by);
        return;
      }
      // Euclid: with s_j = s_j' − Σ q_i s_i the other coefficients become a_i − q_i a_j.
      const Index j = smallest->first;
      const mpz_class divisor = smallest->second;
      Affine by{{}, 0, {}};
      auto [low, high] = interval(j);
      for (auto it = left.begin(); it != left.end();) {
        if (it->first == j) {
          by.terms.emplace_back(j, 1);
          ++it;
          continue;
        }
        const mpz_class q = it->second / divisor;
        if (q != 0) {
          by.terms.emplace_back(it->first, -q);
          const auto [from, to] = interval(it->first);
          low += q * (q > 0 ? from : to);
          high += q * (q > 0 ? to : from);
        }
        it->second -= q * divisor;
        it = it->second == 0 ? left.erase(it) : std::next(it);
      }
      outer_[at(j)] = {low, high};
      replace(j, by);
    }
  }

  // Where parameter d is, as far as bounds of its own say.
  std::pair<Rational, Rational> interval(Index d) const {
    auto [low, high] = outer_[at(d)];
    if (const auto own = bands_.find({{d, 1}}); own != bands_.end()) {
      if (own->second.lower) low = std::max(low, own->second.lower->value);
      if (own->second.upper) high = std::min(high, own->second.upper->value);
    }
    return {low, high};
  }

  // Closes the bands that can be shown to hold with equality only; whether there are any. @throws Contradiction.
  bool close_implicit() {
    std::vector<Index> place(alive_.size(), -1);
    std::vector<Index> involved;
    for (const auto& [terms, band] : bands_) {
      for (std::size_t i = 0; terms.size() > 1 && i < terms.size(); ++i) {
        Index& p = place[at(terms[i].first)];
        if (p >= 0) continue;
        p = static_cast<Index>(involved.size());
        involved.push_back(terms[i].first);
      }
    }
    if (involved.empty()) return false;
    std::vector<Row> rows;
    for (auto& [terms, band] : bands_) {
      if (place[at(terms.front().first)] < 0) continue;
      Terms here;
      for (const auto& [d, a] : terms) here.emplace_back(place[at(d)], a);
      if (band.upper) rows.push_back({here, band.upper->value, &band, true});
      if (!band.lower) continue;
      for (auto& [d, a] : here) a = -a;
      rows.push_back({std::move(here), -band.lower->value, &band, false});
    }
    std::vector<std::pair<Rational, Rational>> intervals;
    for (const Index d : involved) intervals.push_back(interval(d));
    if (has_interior(rows, intervals)) return false;
    const LargestMargin exact(rows, static_cast<Index>(involved.size()));
    if (exact.margin() > 0) return false;
    Reasons why;
    for (const std::size_t i : exact.support()) {
      why = together(why, (rows[i].upper ? rows[i].band->upper : rows[i].band->lower)->why);
    }
    if (exact.margin() < 0) throw Contradiction{why};
    for (const std::size_t i : exact.support()) {
      Band& band = *rows[i].band;
      const Bound value{rows[i].upper ? band.upper->value : band.lower->value, why};
      band.lower = band.upper = value;
    }
    for (const auto& [terms, band] : bands_) {
      if (band.closed()) equal_.push_back(terms);
    }
    return true;
  }

  std::vector<Affine> inputs_;
  Box box_;
  std::string parameter_;
  Solve how_ = Solve::kDyadic;
  Index rows_from_ = 0, earlier_ = 0;  // reasons: sides, rows on t, rows on x
  Halfspaces given_;                   // rows on x as they came
  std::vector<std::pair<Affine, Rational>> pending_;
  std::vector<std::pair<Rational, Rational>> outer_;  // an interval that holds each parameter
  std::vector<bool> alive_;
  Bands bands_;
  std::vector<Terms> equal_;
};

void AffineHull::System::put(Domain& domain) const {
  std::vector<Index> column(alive_.size(), -1);
  const Index k = dimension();
  Vector lower(k), upper(k);
  std::vector<Rational> reach;
  std::vector<std::pair<Terms, Rational>> rows;  // terms ≤ bound
  for (Index d = 0; d < static_cast<Index>(alive_.size()); ++d) {
    if (!alive_[at(d)]) continue;
    const auto j = static_cast<Index>(reach.size());
    column[at(d)] = j;
    const auto [low, high] = interval(d);
    lower[j] = rounded_down(low);
    upper[j] = rounded_up(high);
    reach.push_back(std::max(abs(Rational(lower[j])), abs(Rational(upper[j]))));
  }
  for (const auto& [terms, band] : bands_) {
    const Index j = column[at(terms.front().first)];
    const bool single = terms.size() == 1;
    if (band.upper && !(single && upper[j] <= band.upper->value)) rows.emplace_back(terms, band.upper->value);
    if (!band.lower || (single && lower[j] >= band.lower->value)) continue;
    rows.emplace_back(terms, -band.lower->value);
    for (auto& [d, a] : rows.back().first) a = -a;
  }
  Rational rounding = 0;
  const auto n = static_cast<Index>(inputs_.size());
  Vector origin(n);
  Matrix axes = Matrix::Zero(n, k);
  for (Index i = 0; i < n; ++i) {
    const Affine& x = inputs_[at(i)];
    Rational error = 0;
    origin[i] = nearest(x.constant, 1, error);
    for (const auto& [d, a] : x.terms) axes(i, column[at(d)]) = nearest(a, reach[at(column[at(d)])], error);
    rounding = std::max(rounding, error);
  }
  Halfspaces constraints;
  constraints.normals = Matrix::Zero(static_cast<Index>(rows.size()), k);
  constraints.offsets.resize(static_cast<Index>(rows.size()));
  for (Index r = 0; r < constraints.size(); ++r) {
    const auto& [terms, bound] = rows[at(r)];
    std::vector<const Rational*> numbers{&bound};
    for (const auto& term : terms) numbers.push_back(&term.second);
    Rational factor = whole(numbers), largest = 0;
    for (const auto& [d, a] : terms) largest = std::max(largest, Rational(abs(a * factor)));
    // The largest coefficient becomes a number in [1, 2).
    factor /= Rational(mpz_class(1) << (mpz_sizeinbase(largest.get_num_mpz_t(), 2) - 1));
    Rational error = 0;
    for (const auto& [d, a] : terms) {
      constraints.normals(r, column[at(d)]) = nearest(a * factor, reach[at(column[at(d)])], error);
    }
    constraints.offsets[r] = nearest(bound * factor, 1, error);
    rounding = std::max(rounding, error);
  }
  domain.origin = std::move(origin);
  domain.axes = std::move(axes);
  domain.box = Box(std::move(lower), std::move(upper));
  domain.constraints = rows.empty() ? Halfspaces() : std::move(constraints);
  domain.rounding = rounded_up(domain.rounding + rounding);
}

std::string AffineHull::System::text(const Reasons& why) const {
  constexpr std::size_t kShown = 6;
  std::vector<std::string> names;
  for (const Index id : why) {
    if (names.size() == kShown) {
      names.push_back(fmt::format("{} more", why.size() - kShown));
      break;
    }
    const Index d = id / 2, r = id - rows_from_;
    if (id < rows_from_ && box_.lower[d] == box_.upper[d]) {
      if (id % 2 == 0) names.push_back(fmt::format("{}{} = {}", parameter_, d, box_.lower[d]));
    } else if (id < rows_from_) {
      names.push_back(id % 2 == 0 ? fmt::format("{}{} ≥ {}", parameter_, d, box_.lower[d])
                                  : fmt::format("{}{} ≤ {}", parameter_, d, box_.upper[d]));
    } else {
      names.push_back(r < earlier_ ? fmt::format("earlier constraint {}", r) : row_text(given_, r - earlier_));
    }
  }
  if (names.size() == 1) return names.front();
  const std::string last = std::move(names.back());
  names.pop_back();
  return fmt::format("{} and {}", fmt::join(names, ", "), last);
}

std::string AffineHull::System::point() const {
  constexpr std::size_t kShown = 8;
  std::vector<double> values;
  Rational error = 0;
  for (std::size_t i = 0; i < inputs_.size() && i < kShown; ++i) {
    values.push_back(nearest(inputs_[i].constant, 1, error) + 0.0);
  }
  return fmt::format("{}({}{})", error == 0 ? "" : "about ", fmt::join(values, ", "),
                     inputs_.size() > kShown ? ", …" : "");
}

AffineHull::AffineHull(const Box& inputs) {
  std::vector<Affine> x;
  for (Index j = 0; j < inputs.dimension(); ++j) {
    const bool fixed = inputs.lower[j] == inputs.upper[j];
    x.push_back(fixed ? Affine{{}, inputs.lower[j], {2 * j, 2 * j + 1}} : Affine{{{j, 1}}, 0, {}});
  }
  system_ = std::make_unique<System>(std::move(x), inputs, "x");
}

AffineHull::AffineHull(const Domain& domain) {
  std::vector<Affine> x;
  for (Index j = 0; j < domain.input_size(); ++j) {
    x.push_back({{}, domain.origin[j], {}});
    for (Index d = 0; d < domain.dimension(); ++d) {
      if (domain.axes(j, d) != 0) x.back().terms.emplace_back(d, domain.axes(j, d));
    }
  }
  system_ = std::make_unique<System>(std::move(x), domain.box, "t");
  system_->add_on_parameters(domain.constraints);
}

AffineHull::~AffineHull() = default;

void AffineHull::add(const Halfspaces& inputs) { system_->add(inputs); }

void AffineHull::write(Domain& domain) {
  const double before = domain.rounding;
  try {
    System dyadic = *system_;
    dyadic.reduce(Solve::kDyadic);
    UNRECT_REQUIRE(dyadic.dimension() > 0, ErrorCode::kInvalidArgument,
                   "domain: one point, {}; expected an extent in one direction at least", dyadic.point());
    Domain exact = domain;
    dyadic.put(exact);
    if (exact.rounding > before) {
      system_->reduce(Solve::kLargest);
      system_->put(domain);
    }
    if (exact.rounding == before || exact.rounding <= 2 * domain.rounding) domain = std::move(exact);
  } catch (const Contradiction& found) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("domain: empty: no point satisfies {}", system_->text(found.why)));
  }
  if (domain.rounding == before) return;
  bool solid = false;
  try {
    AffineHull again(domain);
    again.system_->reduce(Solve::kDyadic);
    solid = again.system_->dimension() == domain.dimension();
  } catch (const Contradiction&) {
  }
  UNRECT_REQUIRE(solid, ErrorCode::kInvalidArgument,
                 "domain: thinner than its numbers' rounding to doubles, {:.3g}; expected a wider one",
                 domain.rounding - before);
}

}  // namespace unrect
