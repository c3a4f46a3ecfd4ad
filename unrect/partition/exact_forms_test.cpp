// The exact judge against rationals of the network's own nodes.
#include "unrect/forms/internal/exact_forms.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/at.hpp"
#include "unrect/forms/internal/oracle_for_tests.hpp"
#include "unrect/forms/stages.hpp"
#include "unrect/network/random_network.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {
namespace {

// Pieces that need belong to no region: sign_at must be right for any.
oracle::Pieces random_pieces(const Network& network, Rng& rng) {
  oracle::Pieces pieces;
  for (const int n : network.layers()) {
    const Op& op = *network.node(n).op;
    for (Index i = 0; i < network.node(n).size; ++i) {
      if (const auto* m = std::get_if<Maximum>(&op)) {
        Index slot = rng.below(m->width);
        while (m->index[at(i * m->width + slot)] < 0) slot = (slot + 1) % m->width;
        pieces.push_back(static_cast<std::uint16_t>(slot));
      } else {
        pieces.push_back(static_cast<std::uint16_t>(rng.below(std::get<Piecewise>(op).pieces())));
      }
    }
  }
  return pieces;
}

struct Judge {
  explicit Judge(const oracle::Case& some) : c(some), stages(stages_of(c.network)), exact(stages, c.domain) {}

  Hyperplane random_wall(Rng& rng, int most_layers) const {
    const Index sides = 2 * c.domain.dimension() + c.domain.constraints.size();
    if (most_layers == 0 || rng.below(3) == 0) return {-1, rng.below(sides), -1, 0, 0};
    const int s = stages.of_layer[at(rng.below(most_layers))];
    const Index row = rng.below(stages[s].size);
    if (stages[s].maximum() != nullptr) return {s, row, rng.below(stages[s].size), 0, 0};
    const Piecewise& f = *stages[s].piecewise();
    const double threshold = f.breaks.cols() == 0 ? 0 : f.breaks(f.row_of(row), rng.below(f.breaks.cols()));
    return {s, row, -1, threshold, 0};
  }
  oracle::Form form(const Hyperplane& wall, const std::vector<std::vector<oracle::Form>>& z) const {
    oracle::Form out = oracle::form_on(wall, stages, z, oracle::sides_of(c.domain));
    const bool upper = wall.stage < 0 && (wall.row >= 2 * c.domain.dimension() || wall.row % 2 != 0);
    for (mpq_class& x : out) x *= upper ? -1 : 1;  // t_d − lower, t_d − upper, G t − h
    return out;
  }

  const oracle::Case& c;
  Stages stages;
  ExactForms exact;
};

TEST(ExactForms, SignsAgreeWithRationals) {
  const Rng root(31);
  int zeros = 0;
  int asked = 0;
  int refused = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    const oracle::Case c = oracle::random_case(root.split(i));
    SCOPED_TRACE(fmt::format("case {}: {}", i, c.name));
    Judge judge(c);
    Rng rng = root.split(i).split(1);
    for (int change = 0; change < 4; ++change) {  // the cache must follow the pieces
      const oracle::Pieces pieces = random_pieces(c.network, rng);
      const auto z = oracle::forms_of_layers(c.network, c.domain, pieces);
      for (int question = 0; question < 12; ++question) {
        const int layers = static_cast<int>(rng.below(static_cast<Index>(z.size()) + 1));
        const Hyperplane wall = judge.random_wall(rng, layers);
        const int below = wall.stage < 0 ? 0 : judge.stages[wall.stage].layer + 1;
        std::vector<Hyperplane> walls;
        std::vector<oracle::Form> forms;
        for (Index d = 0; d < c.domain.dimension() + rng.below(2); ++d) {
          walls.push_back(judge.random_wall(rng, below));
          forms.push_back(judge.form(walls.back(), z));
          if (d + 1 > c.domain.dimension() && !oracle::meeting_point(forms)) {
            walls.pop_back();
            forms.pop_back();
          }
        }
        const std::optional<oracle::Point> t = oracle::meeting_point(forms);
        if (!t) {
          ++refused;
          EXPECT_THROW(judge.exact.sign_at(wall, walls, pieces), Error);
          continue;
        }
        const int expected = sgn(oracle::value_at(judge.form(wall, z), *t));
        EXPECT_EQ(judge.exact.sign_at(wall, walls, pieces), expected);
        zeros += expected == 0 ? 1 : 0;
        ++asked;
      }
    }
  }
  EXPECT_GT(asked, 5000);
  EXPECT_GT(zeros, 200);
  EXPECT_GT(refused, 200);
}

// One unit in the last place decides, whatever the magnitudes.
TEST(ExactForms, OneUlpCounts) {
  for (const double scale : {1e-200, 1e-30, 1.0, 1e30, 1e200}) {
    for (const double nudge : {-1.0, 0.0, 1.0}) {
      Matrix w(2, 1);
      w << 3 * scale, scale;
      Vector b(2);
      b << -0.9 * scale, -0.3 * scale;
      if (nudge != 0) b[1] = std::nextafter(b[1], nudge * 1e300);
      const Network network = Network::chain({w, Matrix::Ones(1, 2)}, {b, Vector::Zero(1)});
      const Domain domain(Box(Vector::Zero(1), Vector::Ones(1)));
      const Stages stages = stages_of(network);
      ExactForms exact(stages, domain);
      const std::vector<std::uint16_t> pieces(2, 0);
      const Hyperplane at_first{1, 0, -1, 0, 0};
      const mpq_class t = -mpq_class(b[0]) / mpq_class(w(0, 0));
      const mpq_class value = mpq_class(w(1, 0)) * t + mpq_class(b[1]);
      EXPECT_EQ(exact.sign_at({1, 1, -1, 0, 0}, std::span(&at_first, 1), pieces), sgn(value)) << scale << ' ' << nudge;
    }
  }
}

TEST(ExactForms, CountsWhatItIsAsked) {
  const oracle::Case c = oracle::random_case(Rng(1));
  Judge judge(c);
  EXPECT_EQ(judge.exact.asked(), 0u);
}

}  // namespace
}  // namespace unrect
