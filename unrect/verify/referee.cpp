#include "unrect/verify/internal/referee.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/network/by_kind.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kEnlarged = 1.01;
constexpr double kUnderflow = 1e-320;
constexpr double kFloor = 1e-290;   // of magnitudes: what is below has no relative error to charge
constexpr double kLargest = 1e250;  // values beyond may overflow in the next product
constexpr Index kChunk = 256;       // rows that go back together

std::size_t at(Index i) { return static_cast<std::size_t>(i); }
std::size_t at(int i) { return static_cast<std::size_t>(i); }

// A number and how far rounding may have moved it.
struct Doubtful {
  double value, doubt;
};
// slope_piece p + offset_piece − slope p.
Doubtful gap_at(const Piecewise& f, Index row, Index piece, double p, double slope) {
  const double inner = f.slopes(row, piece) * p, outer = slope * p, offset = f.offsets(row, piece);
  return {inner + offset - outer, 4 * kEpsilon * (std::abs(inner) + std::abs(offset) + std::abs(outer)) + kUnderflow};
}

// The pieces that a range touches.
struct Span {
  Index first, last;
};
Span span_of(const Piecewise& f, Index row, double low, double high) {
  Span span{0, 0};
  while (span.first < f.breaks.cols() && f.breaks(row, span.first) < low) ++span.first;
  span.last = span.first;
  while (span.last < f.breaks.cols() && f.breaks(row, span.last) < high) ++span.last;
  return span;
}

// min and max over the range of f(z) − slope z, rounded outward: at both ends and on both sides of every break.
std::pair<double, double> gaps(const Piecewise& f, Index row, double low, double high, double slope) {
  if (!std::isfinite(low) || !std::isfinite(high)) return {-kInfinity, kInfinity};
  double least = kInfinity, most = -kInfinity;
  const auto take = [&](Index piece, double p) {
    const Doubtful gap = gap_at(f, row, piece, p, slope);
    least = std::min(least, gap.value - gap.doubt);
    most = std::max(most, gap.value + gap.doubt);
  };
  const Span span = span_of(f, row, low, high);
  take(span.first, low);
  for (Index piece = span.first; piece < span.last; ++piece) {
    take(piece, f.breaks(row, piece));
    take(piece + 1, f.breaks(row, piece));
  }
  take(span.last, high);
  return {least, most};
}

// More products with matrices than one.
constexpr int kMany = 2;

// Whether a node that is no product with a matrix reads a number for two of its own.
bool reads_twice(const AffineNode& node) {
  std::set<std::pair<int, Index>> read;
  return !std::ranges::all_of(node.terms, [&](const AffineTerm& t) { return read.emplace(t.source, t.column).second; });
}

struct UnitBand {
  double low_slope, low_offset, high_slope, high_offset;
};
// The lines below and above with the slope, of the pieces' and the chord's, that is best in the middle.
UnitBand band(const Piecewise& f, Index unit, double low, double high) {
  if (f.is_relu()) {
    if (low >= 0) return {1, 0, 1, 0};
    if (high <= 0) return {0, 0, 0, 0};
    if (!std::isfinite(low) || !std::isfinite(high)) return {0, 0, 0, kInfinity};
    const double slope = high / (high - low);
    const double offset = std::max(-slope * low, high - slope * high) + 4 * kEpsilon * high + kUnderflow;
    return {high > -low ? 1.0 : 0.0, 0, slope, offset};
  }
  const Index row = f.row_of(unit);
  if (!std::isfinite(low) || !std::isfinite(high)) return {0, -kInfinity, 0, kInfinity};
  const Span span = span_of(f, row, low, high);
  const double middle = 0.5 * low + 0.5 * high;
  UnitBand best{0, -kInfinity, 0, kInfinity};
  double below = -kInfinity, above = kInfinity;
  const auto consider = [&](double slope) {
    const auto [least, most] = gaps(f, row, low, high, slope);
    if (slope * middle + least > below) {
      below = slope * middle + least;
      best.low_slope = slope;
      best.low_offset = least;
    }
    if (slope * middle + most < above) {
      above = slope * middle + most;
      best.high_slope = slope;
      best.high_offset = most;
    }
  };
  for (Index piece = span.first; piece <= span.last; ++piece) consider(f.slopes(row, piece));
  if (high > low) {
    const double start = f.slopes(row, span.first) * low + f.offsets(row, span.first);
    const double end = f.slopes(row, span.last) * high + f.offsets(row, span.last);
    const double chord = (end - start) / (high - low);
    if (std::isfinite(chord)) consider(chord);
  }
  return best;
}

}  // namespace

Referee::Referee(const Network& network, const Box& domain)
    : network_(network),
      affine_(network.nodes().size()),
      magnitude_(network.nodes().size()),
      ranges_{std::vector<Vector>(network.nodes().size()), std::vector<Vector>(network.nodes().size())},
      lines_(network.nodes().size()) {
  Index widest = 0, links = 0;
  for (int v = 0; v < static_cast<int>(network.nodes().size()); ++v) {
    const Node& node = network.node(v);
    Affine& affine = affine_[at(v)];
    widest = std::max(widest, node.size);
    links += static_cast<Index>(node.inputs.size());
    if (is_piecewise(*node.op)) {
      affine.products = kMany;
      continue;
    }
    static_cast<AffineNode&>(affine) = affine_node(network, v);
    if (affine.weight != nullptr) affine.size = affine.weight->cwiseAbs();
    for (const int input : node.inputs) affine.products = std::max(affine.products, affine_[at(input)].products);
    if (std::holds_alternative<Dense>(*node.op) || std::holds_alternative<Convolution>(*node.op))
      ++affine.products;
    else if (reads_twice(affine))
      affine.products = kMany;
  }
  terms_ = widest + links + 32;
  set_rate(0);
  box_ = domain;
  ranges_.low[0] = domain.lower;
  ranges_.high[0] = domain.upper;
  set_magnitude(0);
  for (int v = 1; v < static_cast<int>(network.nodes().size()); ++v) {
    forward(v, nullptr);
    set_magnitude(v);
  }
}

// N of a combination of so many claims.
void Referee::set_rate(Index claims) {
  const double n = static_cast<double>(terms_ + static_cast<Index>(sides_.size()) + claims) * kEpsilon;
  rate_ = n / (1 - n);
}

void Referee::set_magnitude(int v) {
  Vector& m = magnitude_[at(v)];
  m = ranges_.low[at(v)].cwiseAbs().cwiseMax(ranges_.high[at(v)].cwiseAbs()) * kEnlarged +
      Vector::Constant(network_.node(v).size, kFloor);
  UNRECT_REQUIRE((m.array() < kLargest).all(), ErrorCode::kUnsupported,
                 "values of node '{}' may overflow over the domain; expected them below {}", network_.node(v).name,
                 kLargest);
}

// The range of a node's value from those of its inputs; what it feeds is sharpened when it is reached.
// False where a range is empty.
bool Referee::forward(int v, const Ranges* outer) {
  const Node& node = network_.node(v);
  Vector &low = ranges_.low[at(v)], &high = ranges_.high[at(v)];
  const int z = node.inputs.front();
  if (const auto* f = std::get_if<Piecewise>(node.op.get())) {
    sharpen(v);
    if (!draw_lines(v)) return false;
    low.resize(node.size);
    high.resize(node.size);
    for (Index i = 0; i < node.size; ++i) {
      const double least = ranges_.low[at(z)][i], most = ranges_.high[at(z)][i];
      if (f->is_relu()) {
        low[i] = std::max(least, 0.0);
        high[i] = std::max(most, 0.0);
      } else {
        std::tie(low[i], high[i]) = gaps(*f, f->row_of(i), least, most, 0);
      }
    }
  } else if (const auto* m = std::get_if<Maximum>(node.op.get())) {
    sharpen(v);
    if (!(ranges_.low[at(z)].array() <= ranges_.high[at(z)].array()).all()) return false;
    low.setConstant(node.size, -kInfinity);
    high = low;
    for (std::size_t k = 0; k < m->index.size(); ++k) {
      if (m->index[k] < 0) continue;
      const Index unit = static_cast<Index>(k) / m->width;
      low[unit] = std::max(low[unit], ranges_.low[at(z)][m->index[k]]);
      high[unit] = std::max(high[unit], ranges_.high[at(z)][m->index[k]]);
    }
  } else {
    Affine& affine = affine_[at(v)];
    if (outer == nullptr) {  // over the whole domain
      affine.magnitude = affine.bias.cwiseAbs();
      double size = 1;
      if (affine.weight != nullptr) affine.magnitude += affine.size * magnitude_[at(z)];
      for (const AffineTerm& t : affine.terms)
        affine.magnitude[t.row] += std::abs(t.weight) * magnitude_[at(t.source)][t.column];
      for (const int source : node.inputs) size += magnitude_[at(source)].sum();
      affine.magnitude = affine.magnitude * kEnlarged + Vector::Constant(node.size, kFloor);
      affine.tiny = kUnderflow * static_cast<double>(node.size + 2) * size;
    }
    Vector middle = affine.bias, radius = 4 * rate_ * affine.magnitude + Vector::Constant(node.size, affine.tiny);
    const auto halves = [&](int source) {
      const Vector &least = ranges_.low[at(source)], &most = ranges_.high[at(source)];
      const Vector mid = 0.5 * least + 0.5 * most;
      return std::pair<Vector, Vector>(mid, (most - mid).cwiseMax(mid - least) * (1 + 4 * kEpsilon));
    };
    if (affine.weight != nullptr) {
      const auto [mid, rad] = halves(z);
      middle.noalias() += *affine.weight * mid;
      radius.noalias() += affine.size * rad * kEnlarged;
    } else {
      std::vector<std::pair<Vector, Vector>> of(network_.nodes().size());
      for (const int source : node.inputs) of[at(source)] = halves(source);
      for (const AffineTerm& t : affine.terms) {
        middle[t.row] += t.weight * of[at(t.source)].first[t.column];
        radius[t.row] += std::abs(t.weight) * of[at(t.source)].second[t.column] * kEnlarged;
      }
    }
    low = middle - radius;
    high = middle + radius;
  }
  if (outer == nullptr) return true;
  low = low.cwiseMax(outer->low[at(v)]);
  high = high.cwiseMin(outer->high[at(v)]);
  return (low.array() <= high.array()).all();
}

bool Referee::undecided(int v, Index unit) const {
  const int z = network_.node(v).inputs.front();
  const auto* f = std::get_if<Piecewise>(network_.node(v).op.get());
  if (f == nullptr) return true;
  const Index row = f->row_of(unit);
  for (Index b = 0; b < f->breaks.cols(); ++b) {
    if (ranges_.low[at(z)][unit] < f->breaks(row, b) && f->breaks(row, b) < ranges_.high[at(z)][unit]) return true;
  }
  return false;
}

// The lines around a piecewise-linear node's units on their sides; false where one has no range left.
bool Referee::draw_lines(int v) {
  const auto& f = std::get<Piecewise>(*network_.node(v).op);
  const int z = network_.node(v).inputs.front();
  Vector &low = ranges_.low[at(z)], &high = ranges_.high[at(z)];
  for (const Side& side : sides_) {
    if (side.node != v) continue;
    if (side.sign > 0)
      low[side.unit] = std::max(low[side.unit], side.at);
    else
      high[side.unit] = std::min(high[side.unit], side.at);
  }
  Lines& lines = lines_[at(v)];
  for (Vector* part : {&lines.low_slope, &lines.low_offset, &lines.high_slope, &lines.high_offset})
    part->resize(low.size());
  for (Index i = 0; i < low.size(); ++i) {
    if (!(low[i] <= high[i])) return false;
    const UnitBand unit = band(f, i, low[i], high[i]);
    lines.low_slope[i] = unit.low_slope;
    lines.low_offset[i] = unit.low_offset;
    lines.high_slope[i] = unit.high_slope;
    lines.high_offset[i] = unit.high_offset;
  }
  return true;
}

// Ranges of what a piecewise-linear node reads, where intervals leave a unit undecided: by going back to the input.
void Referee::sharpen(int v) {
  const Node& node = network_.node(v);
  const int z = node.inputs.front();
  Vector &low = ranges_.low[at(z)], &high = ranges_.high[at(z)];
  std::vector<Index> open;
  const bool maximum = std::holds_alternative<Maximum>(*node.op);
  for (Index i = 0; i < low.size(); ++i) {
    if (affine_[at(z)].products > 1 && (maximum || undecided(v, i))) open.push_back(i);
  }
  for (std::size_t begin = 0; begin < open.size(); begin += at(kChunk / 2)) {
    const Index units = static_cast<Index>(std::min(open.size() - begin, at(kChunk / 2)));
    Rows both = rows(2 * units);
    Matrix& start = both.of(z, low.size());
    for (Index k = 0; k < units; ++k) {
      start(2 * k, open[begin + at(k)]) = 1;
      start(2 * k + 1, open[begin + at(k)]) = -1;
    }
    descend(z, both);
    const AffineBounds bounds = at_input(both);
    for (Index k = 0; k < units; ++k) {
      const Index i = open[begin + at(k)];
      low[i] = std::max(low[i], least(bounds, 2 * k, box_));
      high[i] = std::min(high[i], -least(bounds, 2 * k + 1, box_));
    }
  }
}

bool Referee::enter_within(const Box& box, const std::vector<Side>& sides, const Ranges& outer) {
  box_ = box;
  sides_ = sides;
  set_rate(0);
  ranges_ = outer;
  ranges_.low[0] = box.lower;
  ranges_.high[0] = box.upper;
  for (const int v : network_.layers()) {
    if (std::holds_alternative<Piecewise>(*network_.node(v).op) && !draw_lines(v)) return false;
  }
  return true;
}

bool Referee::enter(const Box& box, const std::vector<Side>& sides, const Ranges& outer) {
  box_ = box;
  sides_ = sides;
  set_rate(0);
  ranges_.low[0] = box.lower;
  ranges_.high[0] = box.upper;
  for (int v = 1; v < static_cast<int>(network_.nodes().size()); ++v) {
    if (!forward(v, &outer)) return false;
  }
  return true;
}

Referee::Rows Referee::rows(Index count) const {
  return {std::vector<Matrix>(network_.nodes().size()), Vector::Zero(count), Vector::Zero(count)};
}

void Referee::through_affine(int v, const Matrix& a, Rows& rows) const {
  const Affine& affine = affine_[at(v)];
  rows.constant += a * affine.bias;
  rows.charge += rate_ * (a.cwiseAbs() * affine.magnitude) + 2 * kEpsilon * rows.constant.cwiseAbs() +
                 affine.tiny * (a.cwiseAbs().rowwise().sum() + Vector::Ones(a.rows()));
  if (affine.weight != nullptr) {
    const int z = network_.node(v).inputs.front();
    rows.of(z, network_.node(z).size).noalias() += a * *affine.weight;
    return;
  }
  for (const int source : network_.node(v).inputs) rows.of(source, network_.node(source).size);
  for (const AffineTerm& t : affine.terms) rows.coefficients[at(t.source)].col(t.column) += t.weight * a.col(t.row);
}

void Referee::through_units(int v, const Matrix& a, Rows& rows) const {
  const int z = network_.node(v).inputs.front();
  const Lines& lines = lines_[at(v)];
  Matrix& to = rows.of(z, network_.node(z).size);
  const double tiny = kUnderflow * (static_cast<double>(a.cols()) + magnitude_[at(z)].sum());
  Eigen::Array<double, 1, Eigen::Dynamic> up, down, slope;
  for (Index r = 0; r < a.rows(); ++r) {
    up = a.row(r).cwiseMax(0.0);
    down = a.row(r).cwiseMin(0.0);
    slope = up * lines.low_slope.transpose().array() + down * lines.high_slope.transpose().array();
    up = up * lines.low_offset.transpose().array() + down * lines.high_offset.transpose().array();
    to.row(r).array() += slope;
    rows.constant[r] += up.sum();
    rows.charge[r] += rate_ * (slope.abs().matrix().dot(magnitude_[at(z)].transpose()) + up.abs().sum()) +
                      2 * kEpsilon * std::abs(rows.constant[r]) + tiny;
    if (!a.row(r).allFinite()) rows.charge[r] = kInfinity;  // max and min lose NaNs
  }
}

// Below, any slot's value; above, the one that wins everywhere, else the largest there can be.
void Referee::through_maxima(int v, const Matrix& a, Rows& rows) const {
  const auto& m = std::get<Maximum>(*network_.node(v).op);
  const int z = network_.node(v).inputs.front();
  const Vector &low = ranges_.low[at(z)], &high = ranges_.high[at(z)];
  Matrix& to = rows.of(z, network_.node(z).size);
  for (Index unit = 0; unit < m.units(); ++unit) {
    Index best = -1;
    double most = -kInfinity, others = -kInfinity;
    for (Index slot = 0; slot < m.width; ++slot) {
      const Index i = m.index[at(unit * m.width + slot)];
      if (i < 0) continue;
      most = std::max(most, high[i]);
      if (best < 0 || low[i] > low[best]) best = i;
    }
    for (Index slot = 0; slot < m.width; ++slot) {
      const Index i = m.index[at(unit * m.width + slot)];
      if (i >= 0 && i != best) others = std::max(others, high[i]);
    }
    for (Index r = 0; r < a.rows(); ++r) {
      const double c = a(r, unit);
      if (c == 0) continue;
      if (c > 0 || low[best] >= others) {
        to(r, best) += c;
        rows.charge[r] += rate_ * std::abs(c) * magnitude_[at(z)][best];
      } else {
        rows.constant[r] += c * most;
        rows.charge[r] += rate_ * std::abs(c * most) + 2 * kEpsilon * std::abs(rows.constant[r]) + kUnderflow;
      }
    }
  }
}

void Referee::descend(int from, Rows& rows) const {
  for (int v = from; v > 0; --v) {
    const Matrix a = std::move(rows.coefficients[at(v)]);
    rows.coefficients[at(v)] = Matrix();
    if (a.size() == 0) continue;
    by_kind(
        *network_.node(v).op, [&](const Piecewise&) { through_units(v, a, rows); },
        [&](const Maximum&) { through_maxima(v, a, rows); },
        without_pieces([&](const auto&) { through_affine(v, a, rows); }));
  }
}

AffineBounds Referee::at_input(Rows& rows) const {
  AffineBounds out{std::move(rows.of(0, network_.input_size())), rows.constant - rows.charge * kEnlarged};
  for (Index r = 0; r < out.constants.size(); ++r) {
    if (std::isfinite(out.constants[r]) && std::isfinite(rows.charge[r]) && out.slopes.row(r).allFinite()) continue;
    out.constants[r] = -kInfinity;
    out.slopes.row(r).setZero();
  }
  return out;
}

AffineBounds Referee::minorants(const Claims& claims, const MatrixRef& weights) {
  const int last = network_.output();
  set_rate(weights.cols());
  Rows sums = rows(weights.rows());
  Matrix& y = sums.of(last, network_.output_size());
  Matrix& x = sums.of(0, network_.input_size());
  for (Index r = 0; r < weights.rows(); ++r) {
    double charge = 0;
    const auto add = [&](double factor, double constant) {
      sums.constant[r] += factor * constant;
      charge += 4 * kEpsilon * (std::abs(factor * constant) + std::abs(sums.constant[r])) + kUnderflow;
    };
    const auto charge_row = [&](double factor, const auto& row, const Vector& magnitude) {
      charge += rate_ * factor * row.cwiseAbs().dot(magnitude) + kUnderflow * (1 + magnitude.sum());
    };
    Index k = 0;
    for (Index i = 0; i < claims.outputs.size(); ++i, ++k) {
      const double factor = weights(r, k);
      if (factor == 0) continue;
      y.row(r) += factor * claims.outputs.normals.row(i);
      add(factor, -claims.outputs.offsets[i]);
      charge_row(factor, claims.outputs.normals.row(i), magnitude_[at(last)]);
    }
    for (Index i = 0; i < claims.inputs.size(); ++i, ++k) {
      const double factor = weights(r, k);
      if (factor == 0) continue;
      x.row(r) += factor * claims.inputs.normals.row(i);
      add(factor, -claims.inputs.offsets[i]);
      charge_row(factor, claims.inputs.normals.row(i), magnitude_[0]);
    }
    for (const Side& side : sides_) {
      const double factor = weights(r, k++);
      if (factor == 0) continue;
      const int z = network_.node(side.node).inputs.front();
      sums.of(z, network_.node(z).size)(r, side.unit) -= factor * side.sign;
      add(factor, side.sign * side.at);
      charge += rate_ * factor * magnitude_[at(z)][side.unit];
    }
    sums.charge[r] += charge;
  }
  descend(last, sums);
  return at_input(sums);
}

double Referee::least(const AffineBounds& bounds, Index row, const Box& box) {
  double sum = bounds.constants[row], size = std::abs(sum);
  for (Index j = 0; j < box.dimension(); ++j) {
    const double slope = bounds.slopes(row, j);
    const double product = slope * (slope > 0 ? box.lower[j] : box.upper[j]);
    sum += product;
    size += std::abs(product);
  }
  const double least = sum - static_cast<double>(box.dimension() + 8) * kEpsilon * size * kEnlarged -
                       kUnderflow * static_cast<double>(box.dimension() + 1);
  return std::isnan(least) ? -kInfinity : least;
}

}  // namespace unrect
