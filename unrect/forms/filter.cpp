#include "unrect/forms/internal/filter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

// The unit roundoff u: one operation is off by at most so much of its result.
constexpr double kRounding = std::numeric_limits<double>::epsilon() / 2;
constexpr double kSmallest = std::numeric_limits<double>::min() / std::numeric_limits<double>::epsilon();
// The largest bound on values that is accepted: sums of such values stay clear of infinity.
constexpr double kLargest = 1e300;
// Products with more rows or columns than this are bounded by cheaper norms.
constexpr Index kSpectralLimit = 512;
// Sums of squares between these two have lost nothing to under- or overflow that matters.
constexpr double kSmallestSquare = 1e-270;
constexpr double kLargestSquare = 1e300;

// An upper bound of ‖M‖₂: the smallest of ‖M‖_F, √(‖M‖₁ ‖M‖_∞) and, for small dense ones, ‖(MᵀM)⁴‖_F^{1/8}.
double spectral_bound(const Link& link, const Vector& row_abs, double frobenius) {
  double bound = frobenius;
  double column_max = 0;
  if (link.dense()) {
    column_max = link.columns.cwiseAbs().rowwise().sum().maxCoeff();
  } else {
    for (std::size_t j = 0; j + 1 < link.start.size(); ++j) {
      double sum = 0;
      for (Index e = link.start[j]; e < link.start[j + 1]; ++e)
        sum += std::abs(link.weight[static_cast<std::size_t>(e)]);
      column_max = std::max(column_max, sum);
    }
  }
  bound = std::min(bound, std::sqrt(column_max) * std::sqrt(row_abs.maxCoeff()));
  if (link.dense() && std::min(link.columns.rows(), link.columns.cols()) <= kSpectralLimit && bound > 0) {
    const Matrix m = link.columns / bound;
    Matrix gram = m.rows() < m.cols() ? Matrix(m * m.transpose()) : Matrix(m.transpose() * m);
    for (int i = 0; i < 2; ++i) gram = Matrix(gram * gram);
    bound *= std::min(1.0, std::pow(gram.norm(), 0.125) * (1 + 1e-9));
  }
  return bound * (1 + 1e-12);
}

// What is known of a vector of forms: magnitudes and errors, by components and by 2-norms of its k + 1 columns.
struct Bounds {
  Vector size;                 // Σ_d |p_d| T_d + |q|, a unit
  Vector slope;                // Σ_d |p_d|, a unit
  double roundings = 0;        // error ≤ roundings · kRounding · size
  double slope_roundings = 0;  // of the slopes alone, which biases and offsets do not touch
  Vector norm, error;          // k + 1
};

void add_link(const Link& link, const Bounds& source, double gamma, Bounds& z, Vector& unit_norm) {
  const Index rows = z.size.size();
  Vector row_abs = Vector::Zero(rows);
  Vector row_squares = Vector::Zero(rows);
  const auto visit = [&](Index column, Index row, double weight) {
    const double w = std::abs(weight);
    row_abs[row] += w;
    row_squares[row] += w * w;
    z.size[row] += w * source.size[column];
    z.slope[row] += w * source.slope[column];
  };
  if (link.dense()) {
    for (Index j = 0; j < link.columns.rows(); ++j) {
      for (Index i = 0; i < rows; ++i) visit(j, i, link.columns(j, i));
    }
  } else {
    for (std::size_t j = 0; j + 1 < link.start.size(); ++j) {
      for (Index e = link.start[j]; e < link.start[j + 1]; ++e) {
        visit(static_cast<Index>(j), link.row[static_cast<std::size_t>(e)], link.weight[static_cast<std::size_t>(e)]);
      }
    }
  }
  // Squares of tiny weights vanish and of huge ones overflow: the 1-norm bounds the 2-norm there.
  const Vector row_norm = (row_squares.array() > kSmallestSquare && row_squares.array() < kLargestSquare)
                              .select(row_squares.cwiseSqrt(), row_abs);
  const double frobenius = row_norm.stableNorm();
  const double spectral = spectral_bound(link, row_abs, frobenius);
  z.norm += spectral * source.norm;
  z.error += spectral * source.error + gamma * frobenius * source.norm;
  unit_norm += row_norm;
}

}  // namespace

std::vector<StageFilter> filters_of(const Stages& stages, const Domain& domain) {
  const Index k = domain.dimension();
  Vector reach(k + 1);  // T_d, and 1 for the constant
  reach.head(k) = domain.box.lower.cwiseAbs().cwiseMax(domain.box.upper.cwiseAbs());
  reach[k] = 1;
  // Of a form's value: k products and k sums, and one more that takes a threshold off.
  const double evaluation = static_cast<double>(k + 2) * kRounding;
  std::vector<Bounds> values;  // of a, stage by stage
  std::vector<StageFilter> filters;
  for (int s = 0; s < stages.size(); ++s) {
    const Stage& stage = stages[s];
    Bounds z;
    Vector error;
    Vector gradient_error;
    if (stage.links.empty() && s == 0) {
      z.size = domain.axes.cwiseAbs() * reach.head(k) + domain.origin.cwiseAbs();
      z.slope = domain.axes.cwiseAbs().rowwise().sum();
      z.norm.resize(k + 1);
      for (Index d = 0; d < k; ++d) z.norm[d] = domain.axes.col(d).stableNorm();
      z.norm[k] = domain.origin.stableNorm();
      z.error = Vector::Zero(k + 1);
      error = evaluation * z.size;
      gradient_error = Vector::Zero(stage.size);
    } else {
      z.size = Vector::Zero(stage.size);
      z.slope = Vector::Zero(stage.size);
      z.norm = Vector::Zero(k + 1);
      z.error = Vector::Zero(k + 1);
      double products = 0;
      for (const Link& link : stage.links) products += static_cast<double>(stages[link.source].units());
      const double terms = products + static_cast<double>(stage.biases.size());
      const double gamma = terms * kRounding;
      error = Vector::Zero(stage.size);
      gradient_error = Vector::Zero(stage.size);
      for (const Link& link : stage.links) {
        const Bounds& source = values[static_cast<std::size_t>(link.source)];
        Vector unit_norm = Vector::Zero(stage.size);
        add_link(link, source, gamma, z, unit_norm);
        z.roundings = std::max(z.roundings, source.roundings);
        z.slope_roundings = std::max(z.slope_roundings, source.slope_roundings);
        // By 2-norms: unit i's error is at most ‖w_i‖ (e_d + γ N_d) in column d, its size ‖w_i‖ N_d.
        const double carried = reach.dot(source.error + (gamma + evaluation) * source.norm);
        error += unit_norm * carried;
        gradient_error += unit_norm * (source.error.head(k).sum() + gamma * source.norm.head(k).sum());
      }
      z.roundings += terms;
      z.slope_roundings += products;
      for (const Vector& bias : stage.biases) {
        z.size += bias.cwiseAbs();
        const double norm = bias.stableNorm();
        z.norm[k] += norm;
        z.error[k] += gamma * norm;
        error += (gamma + evaluation) * bias.cwiseAbs();
      }
      error = error.cwiseMin((z.roundings * kRounding + evaluation) * z.size);
      gradient_error = gradient_error.cwiseMin(z.slope_roundings * kRounding * z.slope);
    }
    // What underflows is lost at this size; as a part of the sizes it is carried on like any other rounding.
    z.size.array() += kSmallest;
    z.slope.array() += kSmallest;
    z.norm.array() += kSmallest * std::sqrt(static_cast<double>(stage.size));
    // The bounds themselves are computed with rounding: a little more covers it. Underflow is covered by the constant.
    error = 1.01 * error.array() + std::numeric_limits<double>::min();
    gradient_error *= 1.01;
    UNRECT_REQUIRE(
        error.allFinite() && gradient_error.allFinite() && reach.dot(z.norm) < kLargest, ErrorCode::kInvalidArgument,
        "partition: values of stage {} can overflow over this domain; expected smaller weights or a smaller box", s);
    StageFilter filter;
    const Index padded = (stage.size + 7) / 8 * 8;
    filter.error = Vector::Zero(padded);
    filter.error.head(stage.size) = error;
    filter.gradient_error = Vector::Zero(padded);
    filter.gradient_error.head(stage.size) = gradient_error;
    filters.push_back(std::move(filter));

    if (const Piecewise* f = stage.piecewise()) {
      const double slope = f->slopes.cwiseAbs().maxCoeff();
      const double offset = f->offsets.cwiseAbs().maxCoeff();
      // Roundings that the activation adds: one by the slope, one by the offset.
      const bool copies = offset == 0 && ((f->slopes.array() == 0) || (f->slopes.array().abs() == 1)).all();
      const double exact = copies ? 0 : 2;
      z.size = slope * z.size.array() + offset;
      z.slope *= slope;
      z.norm *= slope;
      z.norm[k] += offset * std::sqrt(static_cast<double>(stage.size));
      z.error = slope * z.error + exact * kRounding * z.norm;
      z.roundings += exact;
      z.slope_roundings += exact / 2;
    } else if (const Maximum* m = stage.maximum()) {
      Vector size = Vector::Zero(m->units());
      Vector slope = Vector::Zero(m->units());
      std::vector<int> uses(static_cast<std::size_t>(stage.size), 0);
      for (std::size_t i = 0; i < m->index.size(); ++i) {
        const Index from = m->index[i];
        if (from < 0) continue;
        const Index unit = static_cast<Index>(i) / m->width;
        size[unit] = std::max(size[unit], z.size[from]);
        slope[unit] = std::max(slope[unit], z.slope[from]);
        ++uses[static_cast<std::size_t>(from)];
      }
      const double factor = uses.empty() ? 1 : std::sqrt(static_cast<double>(std::ranges::max(uses)));
      z.size = size;
      z.slope = slope;
      z.norm *= factor;
      z.error *= factor;
    }
    values.push_back(std::move(z));
  }
  return filters;
}

}  // namespace unrect
