// The filter's bounds hold for forms computed in double against the exact ones, and are not idle.
#include "unrect/forms/filter.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/forms/oracle_for_tests.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

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
    std::vector<Vector> points{region.interior_point()};
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

Domain cube(Index k, double radius = 1) {
  return Domain(Box(Vector::Constant(k, -radius), Vector::Constant(k, radius)));
}

TEST(Filter, BoundsTinyNetworksOfEveryKind) {
  const Rng root(41);
  double worst = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const oracle::Case c = oracle::random_case(root.split(i));
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    worst = std::max(worst, measure(c.network, c.domain, 6).error);
  }
  EXPECT_GT(worst, 0.05);  // some error comes within a factor of twenty
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
