#include "unrect/verify/network_mip.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/bounds/internal/relaxation.hpp"
#include "unrect/forms/stages.hpp"

namespace unrect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }
double up(double value) { return std::nextafter(value, kInfinity); }

using Terms = std::vector<std::pair<int, double>>;

// The smallest box around all cases' boxes.
Box hull_of(const Property& domain) {
  Box hull = domain.cases.front().box;
  for (const Property::Case& c : domain.cases) {
    hull.lower = hull.lower.cwiseMin(c.box.lower);
    hull.upper = hull.upper.cwiseMax(c.box.upper);
  }
  return hull;
}

class Builder {
 public:
  Builder(const Stages& stages, const Property& domain, const NetworkMipOptions& options)
      : domain_(domain),
        options_(options),
        graph_(stages),
        relaxation_(graph_, hull_of(domain)),
        value_(at(graph_.size())) {
    UNRECT_REQUIRE(relaxation_.finite(), ErrorCode::kInvalidArgument,
                   "values of the network can overflow over this domain: its units have no bounds");
    out_.mip.remarks = {"un-rectified network: a_l_i = d_l_i * z_l_i, d_l_i = 1 where unit i of layer l is on"};
  }

  NetworkMip build() && {
    inputs();
    for (int s = 1; s + 1 < graph_.size(); ++s) {
      if (graph_[s].activation == nullptr)
        affine(s);
      else
        layer(s);
    }
    outputs();
    for (const Mip::Variable& v : out_.mip.variables) out_.binaries += v.integer ? 1 : 0;
    if (options_.relaxed)
      for (Mip::Variable& v : out_.mip.variables) v.integer = false;
    return std::move(out_);
  }

 private:
  int binary(std::string name) { return out_.mip.add(std::move(name), 0, 1, 0, true); }
  const std::string& name(int variable) const { return out_.mip.variables[at(variable)].name; }
  void row(std::string name, Terms terms, bool equal, double right) {
    out_.mip.rows.push_back({std::move(name), std::move(terms), equal, right});
  }

  // Σ terms ≤ right where the binary is 1 (−1: everywhere); Σ terms ≤ most in any case. Rounded so that no point of
  // either is lost.
  void switched(const std::string& name, Terms terms, double right, double most, int binary) {
    if (binary < 0) return row(name, std::move(terms), false, right);
    if (most <= right) return;
    const double slack = up(most - right);
    terms.emplace_back(binary, slack);
    row(name, std::move(terms), false, up(right + slack));
  }

  void inputs() {
    const Box hull = hull_of(domain_);
    out_.inputs = static_cast<int>(hull.dimension());
    for (Index j = 0; j < hull.dimension(); ++j)
      value_[0].push_back(out_.mip.add(fmt::format("x_{}", j), hull.lower[j], hull.upper[j]));
    Terms one;
    for (std::size_t k = 0; k < domain_.cases.size(); ++k) {
      const Property::Case& c = domain_.cases[k];
      const int chosen = domain_.cases.size() > 1 ? binary(fmt::format("c_{}", k)) : -1;
      case_.push_back(chosen);
      if (chosen >= 0) one.emplace_back(chosen, 1);
      for (int j = 0; j < out_.inputs && chosen >= 0; ++j) {
        switched(fmt::format("in_{}_low_{}", k, j), {{j, -1}}, -c.box.lower[j], -hull.lower[j], chosen);
        switched(fmt::format("in_{}_high_{}", k, j), {{j, 1}}, c.box.upper[j], hull.upper[j], chosen);
      }
      for (Index r = 0; r < c.input_rows.size(); ++r) {
        Terms terms;
        double most = 0, size = 0;
        for (int j = 0; j < out_.inputs; ++j) {
          const double w = c.input_rows.normals(r, j);
          if (w == 0) continue;
          terms.emplace_back(j, w);
          most += std::max(w * hull.lower[j], w * hull.upper[j]);
          size += std::max(std::abs(w * hull.lower[j]), std::abs(w * hull.upper[j]));
        }
        most += 2 * kEpsilon * static_cast<double>(out_.inputs + 2) * size;
        if (terms.empty()) terms.emplace_back(0, 0);
        switched(fmt::format("in_{}_{}", k, r), std::move(terms), c.input_rows.offsets[r], most, chosen);
      }
    }
    if (!one.empty()) row("one_case", std::move(one), true, 1);
  }

  // The sums z of a stage as terms of variables, each once; wanted: which ones.
  std::vector<Terms> sums_of(const BoundStage& stage, const std::vector<char>& wanted) const {
    std::vector<Terms> sums(at(stage.size));
    const auto put = [&](Index i, int variable, double weight) {
      if (weight != 0 && variable >= 0 && wanted[at(i)]) sums[at(i)].emplace_back(variable, weight);
    };
    for (const BoundLink& link : stage.links) {
      const std::vector<int>& source = value_[at(link.source)];
      for (std::size_t j = 0; j < source.size(); ++j) {
        if (link.dense()) {
          for (Index i = 0; i < stage.size; ++i) put(i, source[j], link.weight(i, static_cast<Index>(j)));
        } else {
          for (Index e = link.start[j]; e < link.start[j + 1]; ++e) put(link.row[at(e)], source[j], link.entry[at(e)]);
        }
      }
    }
    for (Terms& terms : sums) {
      std::ranges::stable_sort(terms, {}, [](const auto& term) { return term.first; });
      Terms merged;
      for (const auto& term : terms) {
        if (!merged.empty() && merged.back().first == term.first)
          merged.back().second += term.second;
        else
          merged.push_back(term);
      }
      std::erase_if(merged, [](const auto& term) { return term.second == 0; });
      terms = std::move(merged);
    }
    return sums;
  }

  // Variables for the wanted sums of a stage, each with the row that says what it is; −1 for the others.
  std::vector<int> define(int s, const std::string& prefix, const std::vector<char>& wanted, const Vector& low,
                          const Vector& high) {
    std::vector<Terms> sums = sums_of(graph_[s], wanted);
    std::vector<int> variables(sums.size(), -1);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      if (!wanted[i]) continue;
      const auto place = static_cast<Index>(i);
      variables[i] = out_.mip.add(fmt::format("{}_{}", prefix, i), low[place], high[place]);
      Terms terms{{variables[i], 1}};
      for (const auto& [variable, weight] : sums[i]) terms.emplace_back(variable, -weight);
      row("def_" + name(variables[i]), std::move(terms), true, graph_[s].bias[place]);
    }
    return variables;
  }

  Vector low(int s) const { return relaxation_root().low[at(s)].row(0); }
  Vector high(int s) const { return relaxation_root().high[at(s)].row(0); }
  const NodeBatch& relaxation_root() const { return relaxation_.root(); }

  void affine(int s) {
    value_[at(s)] = define(s, fmt::format("v_{}", s), std::vector<char>(at(graph_[s].size), 1), low(s), high(s));
  }

  // Pieces of a unit that meet the inside of its bounds: first and last.
  static std::pair<Index, Index> pieces(const Piecewise& f, Index unit, double low, double high) {
    const Index row = f.row_of(unit);
    Index first = 0;
    while (first < f.breaks.cols() && f.breaks(row, first) <= low) ++first;
    Index last = first;
    while (last < f.breaks.cols() && f.breaks(row, last) < high) ++last;
    return {first, last};
  }

  // Slots of a unit that can hold its largest value, each value once.
  static std::vector<Index> candidates(const Maximum& m, Index unit, const Vector& low, const Vector& high) {
    std::vector<Index> slots;
    double least = -kInfinity;
    for (Index slot = 0; slot < m.width; ++slot) {
      const Index j = m.index[at(unit * m.width + slot)];
      if (j < 0) continue;
      least = std::max(least, low[j]);
      if (std::ranges::find(slots, j) == slots.end()) slots.push_back(j);
    }
    if (slots.size() > 1) {
      // The one whose lower bound is that stays, so that one is left where the others cannot exceed it.
      const Index best = *std::ranges::find_if(slots, [&](Index j) { return low[j] == least; });
      std::erase_if(slots, [&](Index j) { return j != best && high[j] <= least; });
    }
    return slots;
  }

  void layer(int s) {
    const BoundStage& stage = graph_[s];
    const Vector lows = low(s), highs = high(s);
    UNRECT_REQUIRE(lows.allFinite() && highs.allFinite(), ErrorCode::kInvalidArgument,
                   "a unit of layer {} has no bounds over this domain", layer_ + 1);
    ++layer_;
    out_.units += stage.units;
    std::vector<char> wanted(at(stage.size), 0);
    for (Index i = 0; i < stage.units; ++i) {
      if (const Piecewise* f = stage.piecewise()) {
        const auto [first, last] = pieces(*f, i, lows[i], highs[i]);
        wanted[at(i)] = first < last || f->slopes(f->row_of(i), first) != 0;
      } else {
        for (const Index j : candidates(*stage.maximum(), i, lows, highs)) wanted[at(j)] = 1;
      }
    }
    const std::vector<int> z = define(s, fmt::format("z_{}", layer_), wanted, lows, highs);
    for (Index i = 0; i < stage.units; ++i) {
      const std::string place = fmt::format("{}_{}", layer_, i);
      if (const Piecewise* f = stage.piecewise())
        value_[at(s)].push_back(function(*f, i, place, z[at(i)], lows[i], highs[i]));
      else
        value_[at(s)].push_back(maximum(candidates(*stage.maximum(), i, lows, highs), place, z, lows, highs));
    }
  }

  // The variable that holds a unit's value; −1: it is 0.
  int function(const Piecewise& f, Index unit, const std::string& place, int z, double low, double high) {
    const auto [first, last] = pieces(f, unit, low, high);
    const Index r = f.row_of(unit);
    if (first == last) {
      ++out_.stable;
      const double slope = f.slopes(r, first), offset = f.offsets(r, first);
      if (slope == 0 && offset == 0) return -1;
      if (slope == 1 && offset == 0) return z;
      if (slope == 0) return out_.mip.add("a_" + place, offset, offset);
      const int a = out_.mip.add("a_" + place, -kInfinity, kInfinity);
      row("def_a_" + place, {{a, 1}, {z, -slope}}, true, offset);
      return a;
    }
    if (f.is_relu()) {
      const int a = out_.mip.add("a_" + place, 0, high);
      const int d = binary("d_" + place);
      row("above_" + place, {{z, 1}, {a, -1}}, false, 0);
      row("on_" + place, {{a, 1}, {z, -1}, {d, -low}}, false, -low);
      row("off_" + place, {{a, 1}, {d, -high}}, false, 0);
      return a;
    }
    const int a = out_.mip.add("a_" + place, -kInfinity, kInfinity);
    Terms sum{{z, 1}}, value{{a, 1}}, one;
    for (Index p = first; p <= last; ++p) {
      const double left = p == first ? low : f.breaks(r, p - 1), right = p == last ? high : f.breaks(r, p);
      const std::string piece = fmt::format("{}_{}", place, p);
      const int part = out_.mip.add("z_" + piece, std::min(left, 0.0), std::max(right, 0.0));
      const int d = binary("d_" + piece);
      if (left != 0) row("left_" + piece, {{part, -1}, {d, left}}, false, 0);
      if (right != 0) row("right_" + piece, {{part, 1}, {d, -right}}, false, 0);
      sum.emplace_back(part, -1);
      if (f.slopes(r, p) != 0) value.emplace_back(part, -f.slopes(r, p));
      if (f.offsets(r, p) != 0) value.emplace_back(d, -f.offsets(r, p));
      one.emplace_back(d, 1);
    }
    row("sum_" + place, std::move(sum), true, 0);
    row("value_" + place, std::move(value), true, 0);
    row("one_" + place, std::move(one), true, 1);
    return a;
  }

  int maximum(const std::vector<Index>& slots, const std::string& place, const std::vector<int>& z, const Vector& low,
              const Vector& high) {
    if (slots.size() == 1) {
      ++out_.stable;
      return z[at(slots.front())];
    }
    double least = -kInfinity, most = -kInfinity;
    for (const Index j : slots) {
      least = std::max(least, low[j]);
      most = std::max(most, high[j]);
    }
    const int a = out_.mip.add("a_" + place, least, most);
    Terms one;
    for (const Index j : slots) {
      double others = -kInfinity;
      for (const Index k : slots) {
        if (k != j) others = std::max(others, high[k]);
      }
      const std::string slot = fmt::format("{}_{}", place, j);
      const int d = binary("d_" + slot);
      const double slack = std::max(0.0, up(others - low[j]));
      row("above_" + slot, {{z[at(j)], 1}, {a, -1}}, false, 0);
      row("on_" + slot, {{a, 1}, {z[at(j)], -1}, {d, slack}}, false, slack);
      one.emplace_back(d, 1);
    }
    row("one_" + place, std::move(one), true, 1);
    return a;
  }

  // The smallest value of each row · y + 0 over the domain, proved; −∞ where there is none.
  Vector smallest(const Matrix& rows) {
    Minorants least;
    relaxation_.minimize(relaxation_.root(), {rows, Vector::Zero(rows.rows())}, least);
    return least.value;
  }

  void outputs() {
    const int last = graph_.size() - 1;
    const Index count = graph_.outputs();
    const Matrix identity = Matrix::Identity(count, count);
    const std::vector<int> y =
        define(last, "y", std::vector<char>(at(count), 1), smallest(identity), -smallest(-identity));
    out_.first_output = y.front();
    out_.outputs = static_cast<int>(count);
    if (options_.objective) {
      out_.objective = out_.mip.add("objective", -kInfinity, kInfinity, options_.maximize ? -1 : 1);
      Terms terms{{out_.objective, 1}};
      for (Index k = 0; k < count; ++k) {
        if (options_.objective->direction[k] != 0) terms.emplace_back(y[at(k)], -options_.objective->direction[k]);
      }
      row("def_objective", std::move(terms), true, options_.objective->constant);
    }
    if (options_.unsafe) unsafe(y);
  }

  void unsafe(const std::vector<int>& y) {
    for (std::size_t k = 0; k < domain_.cases.size(); ++k) {
      const std::vector<Halfspaces>& sets = domain_.cases[k].unsafe_outputs;
      Terms one;
      for (std::size_t p = 0; p < sets.size(); ++p) {
        const int chosen = sets.size() > 1 ? binary(fmt::format("u_{}_{}", k, p)) : case_[k];
        if (sets.size() > 1) one.emplace_back(chosen, 1);
        const Vector least = chosen < 0 ? Vector() : smallest(-sets[p].normals);
        for (Index r = 0; r < sets[p].size(); ++r) {
          Terms terms;
          for (Index i = 0; i < sets[p].dimension(); ++i) {
            if (sets[p].normals(r, i) != 0) terms.emplace_back(y[at(i)], sets[p].normals(r, i));
          }
          if (terms.empty()) terms.emplace_back(y.front(), 0);
          const double most = chosen < 0 ? 0 : -least[r];
          UNRECT_REQUIRE(std::isfinite(most), ErrorCode::kInvalidArgument,
                         "row {} of an unsafe set has no bound over this domain", r);
          switched(fmt::format("unsafe_{}_{}_{}", k, p, r), std::move(terms), sets[p].offsets[r], most, chosen);
        }
      }
      if (one.empty()) continue;
      if (case_[k] >= 0) one.emplace_back(case_[k], -1);
      row(fmt::format("one_unsafe_{}", k), std::move(one), true, case_[k] >= 0 ? 0 : 1);
    }
  }

  const Property& domain_;
  const NetworkMipOptions& options_;
  BoundGraph graph_;
  Relaxation relaxation_;
  std::vector<std::vector<int>> value_;  // by stage: the variable of each unit's value, −1 for 0
  std::vector<int> case_;                // the binary of each case; −1: there is one case
  int layer_ = 0;
  NetworkMip out_;
};

}  // namespace

NetworkMip network_mip(const Network& network, const Property& domain, const NetworkMipOptions& options) {
  require_sizes(domain, network.input_size(), network.output_size());
  UNRECT_REQUIRE(!domain.cases.empty(), ErrorCode::kInvalidArgument, "the domain has no input{}",
                 domain.contradiction.empty() ? "" : ": " + domain.contradiction);
  UNRECT_REQUIRE(!options.objective || options.objective->direction.size() == network.output_size(),
                 ErrorCode::kInvalidArgument, "an objective of {} outputs for a network of {}",
                 options.objective ? options.objective->direction.size() : 0, network.output_size());
  return Builder(stages_of(network), domain, options).build();
}

}  // namespace unrect
