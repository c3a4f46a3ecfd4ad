// Each rule of fold() where it holds, and one step beyond, where it must not be used.
#include "unrect/network/fold.hpp"

#include <gtest/gtest.h>

#include "unrect/base/rng.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/internal/random_graph_for_tests.hpp"

namespace unrect {
namespace {

Matrix points(Index inputs) { return Rng(5).normal_matrix(20, inputs); }

/// The folded network, which is the same function.
Network folded(const Network& network, double tolerance = 1e-12) {
  Network result = fold(network);
  const Matrix x = points(network.input_size());
  const Matrix before = Evaluator<double>(network)(x), after = Evaluator<double>(result)(x);
  EXPECT_LE((after - before).cwiseAbs().maxCoeff(), tolerance * (1 + before.cwiseAbs().maxCoeff()));
  return result;
}

/// x → first → second → …
Network chain(Index inputs, const std::vector<Op>& ops) {
  NetworkBuilder builder(Shape{inputs});
  int last = 0;
  for (const Op& op : ops) last = builder.add(op, {last});
  return std::move(builder).build(last);
}

std::vector<std::string> kinds(const Network& network) {
  std::vector<std::string> all;
  for (std::size_t i = 1; i < network.nodes().size(); ++i) all.push_back(name_of(*network.nodes()[i].op));
  return all;
}
using Kinds = std::vector<std::string>;
Kinds kinds_folded(Index inputs, const std::vector<Op>& ops) { return kinds(folded(chain(inputs, ops))); }

Matrix matrix(Index rows, Index cols) { return Rng(7).normal_matrix(rows, cols); }
Vector vector(Index size) { return Rng(8).normal_vector(size); }
Dense dense(Index rows, Index cols) { return {matrix(rows, cols), vector(rows)}; }

/// Over 2 × 3 × 4; a pad on one side alone is a pad.
Convolution convolution(Index groups, Index kernel, Index top, Index left, Index bottom, Index right) {
  Convolution conv;
  conv.window = {2, 3, 4, kernel, kernel, 1, 1, 1, 1, top, left, bottom, right};
  conv.groups = groups;
  conv.kernel = matrix(4, 2 / groups * kernel * kernel);
  conv.bias = vector(4);
  return conv;
}

/// One number a channel, repeated over its pixels.
Vector spread(const Vector& channels, Index pixels) {
  const Matrix rows = channels.replicate(1, pixels);
  return Eigen::Map<const Vector>(rows.data(), rows.size());
}

TEST(FoldRules, ScalesAndMatrices) {
  const Scale scale{vector(3), Vector::LinSpaced(3, 1, 2)};
  EXPECT_EQ(kinds_folded(3, {scale, dense(4, 3)}), Kinds{"Dense"});
  EXPECT_EQ(kinds_folded(4, {dense(3, 4), scale}), Kinds{"Dense"});
  EXPECT_EQ(kinds_folded(3, {scale, scale, dense(4, 3), dense(2, 4)}), Kinds{"Dense"});
  // W (f ⊙ x + s) + b has the bias W s + b.
  const Dense second = dense(4, 3);
  const Network network = folded(chain(3, {scale, second}));
  const Vector bias = std::get<Dense>(*network.node(1).op).bias;
  EXPECT_LT((bias - (second.weight * scale.shift + second.bias)).norm(), 1e-14);
}

TEST(FoldRules, AProductOfMatricesIsNotLargerThanBoth) {
  EXPECT_EQ(kinds_folded(4, {dense(1, 4), dense(4, 1)}), (Kinds{"Dense", "Dense"}));  // 16 against 8
  EXPECT_EQ(kinds_folded(4, {dense(2, 4), dense(4, 2)}), Kinds{"Dense"});             // 16 against 16
}

TEST(FoldRules, SelectionsAndMatrices) {
  // Twice the same input, and a constant.
  const Select select{{1, 1, -1, 0}, Vector::Unit(4, 2) * 0.5};
  EXPECT_EQ(kinds_folded(3, {select, dense(2, 4)}), Kinds{"Dense"});
  EXPECT_EQ(kinds_folded(4, {select, dense(2, 4)}), Kinds{"Dense"});
  EXPECT_EQ(kinds_folded(5, {select, dense(2, 4)}), (Kinds{"Select", "Dense"}));  // few of many
  EXPECT_EQ(kinds_folded(3, {dense(4, 3), select}), Kinds{"Dense"});
  EXPECT_EQ(kinds_folded(3, {dense(3, 3), select}), (Kinds{"Dense", "Select"}));  // copies of rows
  EXPECT_EQ(kinds_folded(3, {select, Select{{2, 1, -1, 2}, Vector::Unit(4, 2)}}), Kinds{"Select"});
  EXPECT_EQ(kinds_folded(3, {Select{{0, 1, 2}, Vector::Zero(3)}, relu()}), Kinds{"Relu"});
  EXPECT_EQ(kinds_folded(3, {Select{{0, 1}, Vector::Zero(2)}, relu()}), (Kinds{"Select", "Relu"}));
  EXPECT_EQ(kinds_folded(3, {Select{{0, 2, 1}, Vector::Zero(3)}, relu()}), (Kinds{"Select", "Relu"}));
}

TEST(FoldRules, AScaleBeforeAConvolutionIsNotShiftedInThePadding) {
  const Scale plain{spread(vector(2), 12), Vector::Zero(24)};
  const Scale shifted{plain.factor, spread(Vector::LinSpaced(2, 1, 2), 12)};
  for (const Index groups : {1, 2}) {
    EXPECT_EQ(kinds_folded(24, {shifted, convolution(groups, 2, 0, 0, 0, 0)}), Kinds{"Convolution"});
    EXPECT_EQ(kinds_folded(24, {shifted, convolution(groups, 1, 0, 0, 0, 0)}), Kinds{"Convolution"});
    for (const std::vector<Index>& p :
         std::vector<std::vector<Index>>{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}) {
      const Convolution padded = convolution(groups, 2, p[0], p[1], p[2], p[3]);
      EXPECT_EQ(kinds_folded(24, {plain, padded}), Kinds{"Convolution"});
      EXPECT_EQ(kinds_folded(24, {shifted, padded}), (Kinds{"Scale", "Convolution"}));
    }
  }
  // One factor, or one shift, of a channel differs at its last pixel.
  for (const Index at : {11, 23}) {
    Scale factor = shifted, shift = shifted;
    factor.factor[at] += 1;
    shift.shift[at] += 1;
    EXPECT_EQ(kinds_folded(24, {factor, convolution(1, 2, 0, 0, 0, 0)}), (Kinds{"Scale", "Convolution"}));
    EXPECT_EQ(kinds_folded(24, {shift, convolution(1, 2, 0, 0, 0, 0)}), (Kinds{"Scale", "Convolution"}));
  }
}

TEST(FoldRules, AScaleAfterAConvolution) {
  const Convolution conv = convolution(2, 2, 1, 0, 0, 1);  // 4 × 3 × 4
  Scale scale{spread(vector(4), 12), spread(Vector::LinSpaced(4, 1, 2), 12)};
  EXPECT_EQ(kinds_folded(24, {conv, scale}), Kinds{"Convolution"});
  scale.factor[47] += 1;
  EXPECT_EQ(kinds_folded(24, {conv, scale}), (Kinds{"Convolution", "Scale"}));
}

TEST(FoldRules, WhatOthersReadIsNotComputedTwice) {
  const auto read_twice = [](const Op& first, const Op& second) {
    NetworkBuilder builder(Shape{4});
    const int a = builder.add(first, {0}), b = builder.add(second, {a});
    return folded(std::move(builder).build(builder.add(Concat{}, {a, b})));
  };
  EXPECT_EQ(kinds(read_twice(dense(4, 4), dense(4, 4))), (Kinds{"Dense", "Dense", "Concat"}));
  EXPECT_EQ(kinds(read_twice(Scale{vector(4), vector(4)}, dense(4, 4))), (Kinds{"Scale", "Dense", "Concat"}));
  // The second reads x itself, not the scale.
  const Network cheap = read_twice(Scale{vector(4), vector(4)}, dense(4, 4));
  EXPECT_EQ(cheap.node(2).inputs, std::vector<int>{0});
  const Network costly = read_twice(dense(4, 4), dense(4, 4));
  EXPECT_EQ(costly.node(2).inputs, std::vector<int>{1});
}

TEST(FoldRules, SumsOfOneValueAndOfMatrices) {
  EXPECT_EQ(kinds(folded([] {
              NetworkBuilder builder(Shape{3});
              const int a = builder.add(relu(), {0});
              const int sum = builder.add(Sum{{1, -0.5, 2}}, {a, 0, a});
              return std::move(builder).build(sum);
            }())),
            (Kinds{"Relu", "Sum"}));
  const auto sum_of = [](const Op& first, const Op& second, bool one_input, bool read_again) {
    NetworkBuilder builder(Shape{3});
    const int x = builder.add(relu(), {0});
    const int a = builder.add(first, {0}), b = builder.add(second, {one_input ? 0 : x});
    int last = builder.add(Sum{{2, -1}}, {a, b});
    if (read_again) last = builder.add(Concat{}, {last, a});
    return kinds(folded(std::move(builder).build(last)));
  };
  EXPECT_EQ(sum_of(dense(3, 3), dense(3, 3), false, false), (Kinds{"Relu", "Dense", "Dense", "Sum"}));
  EXPECT_EQ(sum_of(dense(3, 3), Scale{vector(3), vector(3)}, false, false), (Kinds{"Relu", "Dense", "Scale", "Sum"}));
  const auto alone = [](bool read_again) {
    NetworkBuilder builder(Shape{3});
    const int a = builder.add(dense(4, 3), {0}), b = builder.add(Dense{2 * matrix(4, 3), vector(4)}, {0});
    int last = builder.add(Sum{{2, -1}}, {a, b});
    if (read_again) last = builder.add(Concat{}, {last, a});
    return kinds(folded(std::move(builder).build(last)));
  };
  EXPECT_EQ(alone(false), Kinds{"Dense"});
  EXPECT_EQ(alone(true), (Kinds{"Dense", "Dense", "Sum", "Concat"}));
}

TEST(FoldRules, SumsThatAreNoIdentity) {
  EXPECT_EQ(kinds_folded(3, {Sum{{1}}, relu()}), Kinds{"Relu"});
  EXPECT_EQ(kinds_folded(3, {Sum{{2}}, relu()}), (Kinds{"Sum", "Relu"}));
  EXPECT_EQ(kinds_folded(3, {Scale{Vector::Ones(3), Vector::Zero(3)}, relu()}), Kinds{"Relu"});
  EXPECT_EQ(kinds_folded(3, {Scale{Vector::Ones(3), Vector::Unit(3, 2)}, relu()}), (Kinds{"Scale", "Relu"}));
  EXPECT_EQ(kinds_folded(3, {Scale{Vector::LinSpaced(3, 1, 2), Vector::Zero(3)}, relu()}), (Kinds{"Scale", "Relu"}));
}

TEST(FoldRules, AMaximumOverAConstantKeepsItsSelection) {
  const Maximum max{2, {0, 1, 2, 0}};
  EXPECT_EQ(kinds_folded(3, {Select{{2, 0, 1}, Vector::Zero(3)}, max}), Kinds{"Maximum"});
  EXPECT_EQ(kinds_folded(3, {Select{{2, -1, 1}, Vector::Zero(3)}, max}), (Kinds{"Select", "Maximum"}));
}

TEST(FoldRules, MatricesOfOneSumAreSharedOnlyIfEqual) {
  const auto parameters = [](const Dense& one, const Dense& other) {
    return folded(chain(2, {one, relu(), other})).parameters();
  };
  Dense one{Matrix(2, 2), Vector::Ones(2)};
  one.weight << 1, 2, 3, 4;
  Dense turned = one, biased = one;
  turned.weight << 1, 3, 2, 4;
  biased.bias[1] = 2;
  EXPECT_EQ(parameters(one, one), 6);
  EXPECT_EQ(parameters(one, turned), 12);
  EXPECT_EQ(parameters(one, biased), 12);
}

TEST(FoldRules, AnyNetworkIsTheSameFunction) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    const Network network = random_graph(seed);
    EXPECT_LE(folded(network).nodes().size(), network.nodes().size());
  }
}

}  // namespace
}  // namespace unrect
