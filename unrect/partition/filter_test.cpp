// The filter's bounds hold for forms computed in double against the exact ones, and are not idle.
#include "unrect/forms/internal/filter.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/forms/internal/cube_for_tests.hpp"
#include "unrect/forms/internal/oracle_for_tests.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {
namespace {

struct Worst {
  double error = 0;     // of values, as a share of the bound
  double gradient = 0;  // of gradients
  double relative = 0;  // the bound, as a share of the largest value of its layer
};

// Compares the forms of every layer's units over up to `regions` regions with the exact ones: at each vertex and at
// random points of the box, and their gradients.
Worst measure(const Network& network, const Domain& domain, int regions) {
  const Refinement refinement(network, domain);
  const std::vector<StageFilter> filters = filters_of(refinement.stages(), domain);
  EXPECT_EQ(filters.size(), at(refinement.stages().size()));
  Rng rng(3);
  Worst worst;
  int seen = 0;
  visit_regions(refinement, [&](RegionView& region) {
    const oracle::Pieces pieces(region.pieces().begin(), region.pieces().end());
    const auto exact = oracle::forms_of_layers(network, domain, pieces);
    std::vector<Vector> points{domain.box.upper};
    if (const std::optional<Vector> inside = region.interior_point()) points.push_back(*inside);
    for (Index corner = 0; corner < 4; ++corner) {
      Vector t(domain.dimension());
      for (Index d = 0; d < t.size(); ++d) t[d] = rng.below(2) == 0 ? domain.box.lower[d] : domain.box.upper[d];
      points.push_back(t);
    }
    for (std::size_t l = 0; l < exact.size(); ++l) {
      const int s = refinement.stages().of_layer[l];
      const Matrix forms = region.forms(s);
      const StageFilter& filter = filters[at(s)];
      EXPECT_EQ(filter.error.size() % 8, 0);
      EXPECT_GE(filter.error.size(), forms.rows());
      double largest = 0;
      for (Index i = 0; i < forms.rows(); ++i) {
        double gradient_error = 0;
        for (Index d = 0; d < domain.dimension(); ++d) {
          gradient_error += std::abs(mpq_class(mpq_class(forms(i, d)) - exact[l][at(i)][at(d)]).get_d());
        }
        EXPECT_LE(gradient_error, filter.gradient_error[i]) << "layer " << l << ", unit " << i;
        if (gradient_error > 0) worst.gradient = std::max(worst.gradient, gradient_error / filter.gradient_error[i]);
        for (const Vector& t : points) {
          const double value = forms.row(i).head(t.size()).dot(t) + forms(i, t.size());
          const mpq_class truth = oracle::value_at(exact[l][at(i)], oracle::exact_point(t));
          const double error = std::abs(mpq_class(mpq_class(value) - truth).get_d());
          EXPECT_LE(error, filter.error[i]) << "layer " << l << ", unit " << i;
          worst.error = std::max(worst.error, error / filter.error[i]);
          largest = std::max(largest, std::abs(value));
        }
      }
      if (largest > 0) worst.relative = std::max(worst.relative, filter.error.maxCoeff() / largest);
    }
    return ++seen < regions && !testing::Test::HasFailure();
  });
  return worst;
}

TEST(Filter, BoundsTinyNetworksOfEveryKind) {
  const Rng root(41);
  double worst = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const oracle::Case c = oracle::random_case(root.split(i));
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    worst = std::max(worst, measure(c.network, c.domain, 6).error);
  }
  EXPECT_GT(worst, 0.1);  // some error comes within a factor of ten
}

// Draws numbers from 1 up to 1 + spread until operations on them round up by almost all that they can.
template <class Roundings>
double worst_of(Rng& rng, double spread, const Roundings& roundings) {
  double best = 1;
  double most = -1;
  for (int tries = 0; tries < 200; ++tries) {
    const double x = 1 + spread * rng.uniform();
    if (const double least = roundings(x); least > most) {
      most = least;
      best = x;
    }
  }
  return best;
}

double error_of_product(double a, double b) { return -std::fma(a, b, -(a * b)); }
double error_of_sum(double a, double b) { return mpq_class(mpq_class(a + b) - mpq_class(a) - mpq_class(b)).get_d(); }

// One unit a layer, values just above 1, weights that make every operation round up: the errors are more than half of
// what is allowed, of values and of gradients, so that half the bound would be a wrong one. With `activation` off the
// layers are ReLUs, which copy; with it on the roundings of slope and offset are a good part of all.
Worst adversary(bool activation, bool gradient) {
  Rng rng(12);
  constexpr int kLayers = 12;
  double value = worst_of(rng, 1e-4, [](double) { return 0.0; });  // of the form that is followed
  const double start = value;
  NetworkBuilder b(Shape{1});
  int last = 0;
  for (int l = 0; l < kLayers; ++l) {
    // The same with one rounding or two, whether product and sum are fused or not.
    double shift = 0;
    double weight = 1;
    if (gradient) {
      weight = worst_of(rng, 1e-4, [&](double w) { return error_of_product(value, w); });
      value *= weight;
    } else {
      double most = -1;
      for (int tries = 0; tries < 2000; ++tries) {
        const double w = 1 + 1e-4 * rng.uniform();
        const double s = 1e-4 * rng.uniform();
        const double fused = std::fma(w, value, s);
        if (fused != w * value + s) continue;
        const mpq_class error = mpq_class(fused) - mpq_class(w) * mpq_class(value) - mpq_class(s);
        if (error.get_d() <= most) continue;
        most = error.get_d();
        weight = w;
        shift = s;
      }
      value = std::fma(weight, value, shift);
    }
    last = b.add(Dense{Matrix::Constant(1, 1, weight), Vector::Constant(1, shift)}, {last});
    if (!activation) {
      last = b.add(relu(), {last});
      continue;
    }
    const double slope = worst_of(rng, 1e-4, [&](double s) { return error_of_product(value, s); });
    value *= slope;
    double offset = 0;
    if (!gradient) {
      offset = (worst_of(rng, 1e-4, [&](double o) { return error_of_sum(value, (o - 1) / 3); }) - 1) / 3;
      value += offset;
    }
    Piecewise f{"Line", Matrix::Constant(1, 1, -8), Matrix::Constant(1, 2, slope), Matrix::Constant(1, 2, offset)};
    last = b.add(f, {last});
  }
  last = b.add(Dense{Matrix::Constant(1, 1, 1), Vector::Zero(1)}, {last});
  const Network network = std::move(b).build(last);
  const double small = 1e-7;
  return gradient ? measure(network,
                            Domain(Vector::Zero(1), Matrix::Constant(1, 1, start),
                                   Box(Vector::Constant(1, 1), Vector::Constant(1, 1 + 1e-9))),
                            1)
                  : measure(network,
                            Domain(Vector::Constant(1, start), Matrix::Constant(1, 1, small),
                                   Box(Vector::Zero(1), Vector::Ones(1))),
                            1);
}

TEST(Filter, ErrorsComeWithinAFactorOfTwoOfTheirBounds) {
  EXPECT_GT(adversary(true, false).error, 0.5);
  EXPECT_GT(adversary(false, true).gradient, 0.5);
  EXPECT_GT(adversary(true, true).gradient, 0.5);
}

// Offsets far above the values: what they round to is all that the next layer's error is made of.
TEST(Filter, OffsetsAreOfTheSizesThatErrorsGoWith) {
  Rng rng(13);
  for (const Index n : {1, 4, 64}) {
    NetworkBuilder b(Shape{2});
    int last = b.add(Dense{1e-6 * rng.normal_matrix(n, 2), Vector::Zero(n)}, {0});
    Piecewise f{"Steps", Matrix::Zero(n, 1), Matrix(n, 2), Matrix(n, 2)};
    for (Index i = 0; i < n; ++i) {
      f.slopes.row(i) << 1e-3, 2e-3;
      f.offsets.row(i).setConstant(rng.uniform(1, 2));
    }
    last = b.add(f, {last});
    last = b.add(Dense{rng.normal_matrix(8, n), Vector::Zero(8)}, {last});
    last = b.add(relu(), {last});
    last = b.add(Dense{Matrix::Ones(1, 8), Vector::Zero(1)}, {last});
    EXPECT_GT(measure(std::move(b).build(last), cube(2), 10).error, 1e-3) << n;
  }
}

// One element that every window of a maximum takes, with an error that a long chain has added up: it comes as often as
// there are windows in their sum, so that the norm of what they hold is its own times the root of their number.
TEST(Filter, WindowsThatTakeOneElementTakeItsErrorAsOften) {
  Rng rng(14);
  constexpr int kLayers = 100;
  constexpr Index kWindows = 16;
  NetworkBuilder b(Shape{1});
  double slope = worst_of(rng, 1e-4, [](double) { return 0.0; });
  const double start = slope;
  int last = 0;
  for (int l = 0; l < kLayers; ++l) {
    const double weight = worst_of(rng, 1e-4, [&](double w) { return error_of_product(slope, w); });
    slope *= weight;
    last = b.add(Dense{Matrix::Constant(1, 1, weight), Vector::Zero(1)}, {last});
    last = b.add(relu(), {last});
  }
  // It, and one that is always below it.
  last = b.add(Dense{Matrix{{1}, {0}}, Vector::Zero(2)}, {last});
  Maximum windows{2, {}};
  for (Index w = 0; w < kWindows; ++w) windows.index.insert(windows.index.end(), {0, 1});
  last = b.add(windows, {last});
  last = b.add(Dense{Matrix::Ones(1, kWindows), Vector::Zero(1)}, {last});
  last = b.add(relu(), {last});
  const Network network = std::move(b).build(last);
  const Domain domain(Vector::Zero(1), Matrix::Constant(1, 1, start),
                      Box(Vector::Constant(1, 1), Vector::Constant(1, 1 + 1e-9)));
  EXPECT_GT(measure(network, domain, 1).gradient, 0.5);
}

// The first stage is the input: the plane's own forms are exact, their values are not.
TEST(Filter, ValuesOfTheInputAreRounded) {
  Rng rng(15);
  const Network network = random_chain({8, 4, 1}, rng);
  const Domain plane(rng.normal_vector(8), rng.normal_matrix(8, 3), cube(3).box);
  const StageFilter filter = filters_of(stages_of(network), plane).front();
  EXPECT_TRUE(filter.gradient_error.isZero(0));
  double worst = 0;
  for (int sample = 0; sample < 100; ++sample) {
    const Vector t = rng.uniform_vector(3, -1, 1);
    for (Index i = 0; i < 8; ++i) {
      mpq_class truth = plane.origin[i];
      for (Index d = 0; d < 3; ++d) truth += mpq_class(plane.axes(i, d)) * mpq_class(t[d]);
      const double value = plane.axes.row(i).dot(t) + plane.origin[i];
      const double error = std::abs(mpq_class(mpq_class(value) - truth).get_d());
      EXPECT_LE(error, filter.error[i]);
      worst = std::max(worst, error / filter.error[i]);
    }
  }
  EXPECT_GT(worst, 0.1);
}

TEST(Filter, BoundsCancellingNetworks) {
  const Rng root(42);
  double worst = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const oracle::Case c = oracle::cancelling_case(root.split(i));
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    worst = std::max(worst, measure(c.network, c.domain, 4).error);
  }
  EXPECT_GT(worst, 0.1);
}

TEST(Filter, BoundsWideAndDeepNetworks) {
  struct Kind {
    std::vector<Index> widths;
    double useful;  // the bound's largest share of a layer's largest value
  };
  for (const Kind& kind : {Kind{{2, 100, 100, 1}, 1e-11},
                           {{5, 50, 50, 50, 50, 50, 50, 5}, 1e-7},
                           {{2, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 1}, 1e-5}}) {
    const Network network = random_chain(kind.widths, Rng(5));
    for (const double radius : {1e-3, 1.0}) {
      const Worst worst = measure(network, cube(kind.widths[0], radius), 10);
      EXPECT_LT(worst.relative, kind.useful) << kind.widths.size() << " layers, radius " << radius;
      EXPECT_GT(worst.error, 1e-9);
      RecordProperty(fmt::format("layers {} radius {}", kind.widths.size(), radius),
                     fmt::format("{:.1e} of the bound, {:.1e} of the values", worst.error, worst.relative));
    }
  }
}

TEST(Filter, BoundsResidualConvolutions) {
  const Network network = random_residual(1, 4, 2, Rng(2));
  const Domain plane(Rng(5).normal_vector(16), Rng(6).normal_matrix(16, 2),
                     Box(Vector::Constant(2, -1), Vector::Ones(2)));
  EXPECT_LT(measure(network, plane, 10).relative, 1e-10);
}

// Deep residual chains: x ← x + W relu(V x), 12 times.
TEST(Filter, BoundsDeepResidualNetworks) {
  Rng rng(9);
  NetworkBuilder b(Shape{3});
  int x = b.add(Dense{rng.normal_matrix(8, 3), rng.normal_vector(8)}, {0});
  for (int l = 0; l < 12; ++l) {
    const int inner = b.add(relu(), {b.add(Dense{0.3 * rng.normal_matrix(8, 8), rng.normal_vector(8)}, {x})});
    x = b.add(Sum{{1, 0.7}}, {x, b.add(Dense{0.3 * rng.normal_matrix(8, 8), Vector::Zero(8)}, {inner})});
  }
  const Network network = std::move(b).build(x);
  EXPECT_LT(measure(network, cube(3), 10).relative, 1e-6);
}

TEST(Filter, HugeAndTinyNumbers) {
  for (const double scale : {1e-250, 1e-150, 1e-100, 1e100, 1e200}) {
    Rng rng(6);
    const Network network =
        Network::chain({scale * rng.normal_matrix(6, 2), rng.normal_matrix(6, 6), Matrix::Ones(1, 6)},
                       {scale * rng.normal_vector(6), scale * rng.normal_vector(6), Vector::Zero(1)});
    EXPECT_LT(measure(network, cube(2), 10).relative, 1e-12) << scale;
  }
  const Network tiny = Network::chain({Matrix::Constant(2, 2, 1e-200), Matrix::Constant(1, 2, 1e-200)},
                                      {Vector::Zero(2), Vector::Zero(1)});
  measure(tiny, cube(2, 1e-5), 10);
}

TEST(Filter, RefusesOverflow) {
  const Network huge = Network::chain({Matrix::Constant(2, 2, 1e200), Matrix::Constant(1, 2, 1e200)},
                                      {Vector::Zero(2), Vector::Zero(1)});
  EXPECT_THROW(filters_of(stages_of(huge), cube(2)), Error);
}

}  // namespace
}  // namespace unrect
