#include "unrect/lifted/pattern_oracle.hpp"

#include <fmt/format.h>

#include <Eigen/LU>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

constexpr double kZero = 1e-9;

// Calls visit(chosen) for each ascending choice of `count` among 0 … size − 1.
template <class Visit>
void for_choices(Index size, Index count, const Visit& visit) {
  std::vector<Index> chosen(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i) chosen[static_cast<std::size_t>(i)] = i;
  while (true) {
    visit(chosen);
    Index i = count - 1;
    while (i >= 0 && chosen[static_cast<std::size_t>(i)] == size - count + i) --i;
    if (i < 0) return;
    ++chosen[static_cast<std::size_t>(i)];
    for (Index j = i + 1; j < count; ++j)
      chosen[static_cast<std::size_t>(j)] = chosen[static_cast<std::size_t>(j - 1)] + 1;
  }
}

Matrix with_ones(const MatrixRef& inputs) {
  Matrix result(inputs.rows(), inputs.cols() + 1);
  result << inputs, Vector::Ones(inputs.rows());
  return result;
}

// Fits with some choice of signed patterns; columns are the images of generators, then ±1 for the output bias.
struct Fit {
  double loss = std::numeric_limits<double>::infinity();
  std::vector<Index> chosen;
  Vector weights;
};

}  // namespace

std::vector<Dichotomy> dichotomies(const MatrixRef& inputs) {
  const Matrix points = with_ones(inputs);
  UNRECT_REQUIRE(points.rows() >= points.cols() && points.colPivHouseholderQr().rank() == points.cols(),
                 ErrorCode::kInvalidArgument, "{} inputs lie on a hyperplane; expected points in general position",
                 points.rows());
  // The rays: intersections of n_0 hyperplanes, both ways.
  std::vector<Vector> rays;
  for_choices(points.rows(), points.cols() - 1, [&](const std::vector<Index>& chosen) {
    Matrix active(static_cast<Index>(chosen.size()), points.cols());
    for (Index i = 0; i < active.rows(); ++i) active.row(i) = points.row(chosen[static_cast<std::size_t>(i)]);
    const Eigen::FullPivLU<Matrix> lu(active);
    if (lu.rank() < active.rows()) return;
    const Vector ray = lu.kernel().col(0).normalized();
    for (const double sign : {1.0, -1.0})
      if (std::none_of(rays.begin(), rays.end(), [&](const Vector& r) { return (r - sign * ray).norm() < kZero; }))
        rays.emplace_back(sign * ray);
  });
  // The sum of n_0 + 1 independent rays of a cone lies inside it, and every cone with an interior has that many: the
  // patterns are those of all such sums off the hyperplanes.
  std::set<std::vector<bool>> patterns;
  for_choices(static_cast<Index>(rays.size()), points.cols(), [&](const std::vector<Index>& chosen) {
    Vector sum = Vector::Zero(points.cols());
    for (const Index r : chosen) sum += rays[static_cast<std::size_t>(r)];
    const Vector z = points * sum;
    if (z.cwiseAbs().minCoeff() < kZero) return;
    std::vector<bool> pattern;
    for (const double value : z) pattern.push_back(value > 0);
    patterns.insert(std::move(pattern));
  });
  std::vector<Dichotomy> result;
  for (const std::vector<bool>& pattern : patterns) {
    Dichotomy cone{Vector::Zero(points.rows()), {}};
    for (Index i = 0; i < points.rows(); ++i) cone.d[i] = pattern[static_cast<std::size_t>(i)] ? 1 : 0;
    std::vector<Vector> inside;
    for (const Vector& ray : rays)
      if (((2 * cone.d.array() - 1) * (points * ray).array()).minCoeff() > -kZero) inside.push_back(ray);
    cone.generators.resize(points.cols(), static_cast<Index>(inside.size()));
    for (std::size_t r = 0; r < inside.size(); ++r) cone.generators.col(static_cast<Index>(r)) = inside[r];
    result.push_back(std::move(cone));
  }
  return result;
}

Vector nonnegative_least_squares(const Matrix& b, const Vector& y) {
  Vector x = Vector::Zero(b.cols());
  std::vector<Index> passive;
  const double tolerance = kZero * (1 + b.cwiseAbs().maxCoeff() * y.norm());
  for (Index step = 0; step < 10 * b.cols(); ++step) {
    Vector slope = b.transpose() * (y - b * x);
    for (const Index i : passive) slope[i] = 0;
    Index enter = 0;
    if (slope.maxCoeff(&enter) <= tolerance) break;
    passive.push_back(enter);
    while (true) {
      Matrix columns(b.rows(), static_cast<Index>(passive.size()));
      for (std::size_t i = 0; i < passive.size(); ++i) columns.col(static_cast<Index>(i)) = b.col(passive[i]);
      const Vector solved = columns.colPivHouseholderQr().solve(y);
      double share = 1;
      for (std::size_t i = 0; i < passive.size(); ++i) {
        const double now = x[passive[i]];
        const double then = solved[static_cast<Index>(i)];
        if (then <= 0) share = std::min(share, now > 0 ? now / (now - then) : 0.0);
      }
      for (std::size_t i = 0; i < passive.size(); ++i)
        x[passive[i]] += share * (solved[static_cast<Index>(i)] - x[passive[i]]);
      if (share == 1) break;
      std::erase_if(passive, [&](Index i) {
        if (x[i] > 1e-14) return false;
        x[i] = 0;
        return true;
      });
      if (passive.empty()) break;
    }
  }
  return x;
}

ShallowOptimum shallow_optimum(const MatrixRef& inputs, const MatrixRef& targets, Index units) {
  UNRECT_REQUIRE(targets.cols() == 1 && targets.rows() == inputs.rows(), ErrorCode::kInvalidArgument,
                 "targets {} × {}; expected {} × 1", targets.rows(), targets.cols(), inputs.rows());
  UNRECT_REQUIRE(units >= 1, ErrorCode::kInvalidArgument, "{} units; expected at least one", units);
  const std::vector<Dichotomy> patterns = dichotomies(inputs);
  const Matrix points = with_ones(inputs);
  std::vector<Matrix> images;  // of the generators: D X̃ R = relu(X̃ R)
  images.reserve(patterns.size());
  for (const Dichotomy& pattern : patterns) images.emplace_back((points * pattern.generators).cwiseMax(0));
  const Index kinds = static_cast<Index>(patterns.size());
  const auto sign = [&](Index kind) { return kind < kinds ? 1.0 : -1.0; };
  const auto pattern = [&](Index kind) { return static_cast<std::size_t>(kind % kinds); };

  Fit best;
  // Ascending choices of 2K + n − 1, less 0, 1, …, are choices of 2K with repetition.
  for_choices(2 * kinds + units - 1, units, [&](std::vector<Index> chosen) {
    Index columns = 2;
    for (std::size_t j = 0; j < chosen.size(); ++j) {
      chosen[j] -= static_cast<Index>(j);
      columns += images[pattern(chosen[j])].cols();
    }
    Matrix all(points.rows(), columns);
    all.col(0).setOnes();
    all.col(1).setConstant(-1);
    Index first = 2;
    for (const Index kind : chosen) {
      const Matrix& image = images[pattern(kind)];
      all.middleCols(first, image.cols()) = sign(kind) * image;
      first += image.cols();
    }
    const Vector weights = nonnegative_least_squares(all, targets.col(0));
    const double value = (all * weights - targets.col(0)).squaredNorm() / 2;
    if (value < best.loss) best = {value, chosen, weights};
  });

  ShallowOptimum result{best.loss, {{Matrix(units, points.cols()), Matrix(1, units + 1)}, false}};
  Index first = 2;
  for (Index j = 0; j < units; ++j) {
    const Index kind = best.chosen[static_cast<std::size_t>(j)];
    const Matrix& generators = patterns[pattern(kind)].generators;
    result.chain.layers[0].row(j) = (generators * best.weights.segment(first, generators.cols())).transpose();
    result.chain.layers[1](0, j) = sign(kind);
    first += generators.cols();
  }
  result.chain.layers[1](0, units) = best.weights[0] - best.weights[1];
  return result;
}

}  // namespace unrect
