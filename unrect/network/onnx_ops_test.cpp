// Piecewise-linear and affine ops, by hand and against loops over their definition.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

#include "unrect/network/internal/onnx_model_for_tests.hpp"

namespace unrect::onnx_tests {
namespace {

TEST(OnnxPiecewise, PointwiseOps) {
  const Reals x = {-2, -0.5, 0, 0.25, 3};
  const Ints shape = {5};
  expect_near(run(single("Relu", shape), x), {0, 0, 0, 0.25, 3});
  expect_near(run(single("Abs", shape), x), {2, 0.5, 0, 0.25, 3});
  expect_near(run(single("Neg", shape), x), {2, 0.5, 0, -0.25, -3});
  expect_near(run(single("LeakyRelu", shape), x), {-0.02, -0.005, 0, 0.25, 3});
  expect_near(run(single("LeakyRelu", shape, {{"alpha", 0.5}}), x), {-1, -0.25, 0, 0.25, 3});
  expect_near(run(single("HardSigmoid", shape), x), {0.1, 0.4, 0.5, 0.55, 1});
  expect_near(run(single("Shrink", shape, {{"lambd", 0.5}, {"bias", 0.5}}), x), {-1.5, 0, 0, 0, 2.5});
  expect_near(run(single("ThresholdedRelu", shape, {{"alpha", 0.0}}), x), {0, 0, 0, 0.25, 3});
  expect_near(run(single("Clip", shape, {{"min", -1.0}, {"max", 0.1}}, 7), x), {-1, -0.5, 0, 0.1, 0.1});
  expect_near(run(single("Clip", shape, {{"max", 0.1}}, 7), x), {-2, -0.5, 0, 0.1, 0.1});
  expect_near(run(single("Clip", shape), x), x);
}

TEST(OnnxPiecewise, LargerOfAValueAndItsMultiple) {
  const Reals x = {-2, -0.5, 0, 3};
  const auto leaky = [&](const char* op, const Reals& factor, bool first) {
    Model model = Model().input("x", {4}).constant("f", {std::ssize(factor)}, factor).node("Mul", {"x", "f"}, {"m"});
    model.node(op, first ? std::vector<std::string>{"m", "x"} : std::vector<std::string>{"x", "m"}, {"y"}).output();
    ImportOptions plain;
    plain.fold = false;
    EXPECT_TRUE(std::holds_alternative<Piecewise>(*model.load(plain).nodes().back().op));
    return run(model, x);
  };
  for (const bool first : {false, true}) {
    expect_near(leaky("Max", {0.25}, first), {-0.5, -0.125, 0, 3});
    expect_near(leaky("Min", {0.25}, first), {-2, -0.5, 0, 0.75});
    expect_near(leaky("Max", {2}, first), {-2, -0.5, 0, 6});
    expect_near(leaky("Max", {-1, 2, 0.5, 0.5}, first), {2, -0.5, 0, 3});
    expect_near(leaky("Min", {-1, 2, 0.5, -3}, first), {-2, -1, 0, -9});
  }
  // A shift, or a multiple of something else, makes it a maximum of two.
  Model shifted = Model().input("x", {4}).constant("f", {1}, {0.5}).node("Add", {"x", "f"}, {"m"});
  expect_near(run(shifted.node("Max", {"x", "m"}, {"y"}).output(), x), {-1.5, 0, 0.5, 3.5});
  Model other = Model().input("x", {4}).constant("f", {1}, {0.5}).node("Neg", {"x"}, {"n"});
  expect_near(run(other.node("Mul", {"n", "f"}, {"m"}).node("Max", {"x", "m"}, {"y"}).output(), x), {1, 0.25, 0, 3});
}

TEST(OnnxPiecewise, OnlyContinuousShrinksAndThresholds) {
  for (const std::vector<Attribute>& off :
       {std::vector<Attribute>{{"lambd", 0.5}, {"bias", 0.25}}, std::vector<Attribute>{{"lambd", 0.5}},
        std::vector<Attribute>{{"lambd", -0.5}, {"bias", -0.5}}}) {
    EXPECT_NE(refusal(single("Shrink", {2}, off), kUnsupported).find("is discontinuous with lambd"), std::string::npos);
  }
  for (const double alpha : {-1.0, 1e-30, 1.0}) {
    EXPECT_NE(refusal(single("ThresholdedRelu", {2}, {{"alpha", alpha}}), kUnsupported).find("unless alpha is 0"),
              std::string::npos);
  }
}

// The largest float is no bound where it is one of the other side, and a bound where it is not.
TEST(OnnxPiecewise, BoundsAtTheEndOfTheFloats) {
  const double most = std::numeric_limits<float>::max();
  expect_near(run(single("Clip", {2}, {{"min", -most}, {"max", most}}, 7), {-1, 2}), {-1, 2});
  EXPECT_EQ(single("Clip", {2}, {{"min", -most}, {"max", most}}, 7).load().units(), 0);
  expect_near(run(single("Clip", {2}, {{"max", -most}}, 7), {-1, 2}), {-most, -most}, 1e30);
  expect_near(run(single("Clip", {2}, {{"min", most}}, 7), {-1, 2}), {most, most}, 1e30);
}

TEST(OnnxPiecewise, ClipReadsItsBoundsFromInputs) {
  Model model = Model().input("x", {3}).constant("low", {}, {-1}).constant("high", {}, {HUGE_VAL});
  expect_near(run(Model(model).node("Clip", {"x", "low", "high"}, {"y"}).output(), {-2, 0, 9}), {-1, 0, 9});
  expect_near(run(Model(model).node("Clip", {"x", "", "low"}, {"y"}).output(), {-2, 0, 9}), {-2, -1, -1});
}

TEST(OnnxPiecewise, PReluSlopesBroadcastOverChannels) {
  Model model = Model().input("x", {1, 2, 1, 2}).constant("s", {2, 1, 1}, {0.5, -1});
  expect_near(run(model.node("PRelu", {"x", "s"}, {"y"}).output(), {-2, 2, -2, 2}), {-1, 2, 2, 2});
}

TEST(OnnxPiecewise, MaxAndMinOfVariablesAndConstants) {
  Model model = Model().input("a", {2}).input("b", {2}).constant("c", {2}, {0, 5}).constant("d", {}, {1});
  const Reals x = {-1, 7, 3, 2};
  expect_near(run(Model(model).node("Max", {"a", "b"}, {"y"}).output(), x), {3, 7});
  expect_near(run(Model(model).node("Min", {"a", "b"}, {"y"}).output(), x), {-1, 2});
  expect_near(run(Model(model).node("Max", {"c", "a", "d"}, {"y"}).output(), x), {1, 7});
  expect_near(run(Model(model).node("Min", {"a", "c", "b"}, {"y"}).output(), x), {-1, 2});
  expect_near(run(Model(model).node("Max", {"d", "a"}, {"y"}).output(), x), {1, 7});
  expect_near(run(Model(model).node("Max", {"c", "d"}, {"y"}).output(), x), {1, 5});
}

TEST(OnnxPiecewise, DiscontinuousParametersAreRefused) {
  EXPECT_NE(refusal(single("Shrink", {2}), kUnsupported).find("discontinuous"), std::string::npos);
  EXPECT_NE(refusal(single("ThresholdedRelu", {2}), kUnsupported).find("discontinuous"), std::string::npos);
  EXPECT_NE(refusal(single("Clip", {2}, {{"min", 2.0}, {"max", 1.0}}, 7), kFormat).find("min 2 and max 1"),
            std::string::npos);
}

TEST(OnnxAffine, ArithmeticWithConstantsOnEitherSide) {
  Model model = Model().input("x", {2, 2}).constant("r", {2}, {10, 20}).constant("k", {2, 1}, {2, 4});
  const Reals x = {1, 2, 3, 4};
  const auto y = [&](const char* op, const char* a, const char* b) {
    return run(Model(model).node(op, {a, b}, {"y"}).output(), x);
  };
  expect_near(y("Add", "x", "r"), {11, 22, 13, 24});
  expect_near(y("Add", "r", "x"), {11, 22, 13, 24});
  expect_near(y("Sub", "x", "r"), {-9, -18, -7, -16});
  expect_near(y("Sub", "r", "x"), {9, 18, 7, 16});
  expect_near(y("Mul", "x", "k"), {2, 4, 12, 16});
  expect_near(y("Mul", "k", "x"), {2, 4, 12, 16});
  expect_near(y("Div", "x", "k"), {0.5, 1, 0.75, 1});
  expect_near(y("Add", "x", "x"), {2, 4, 6, 8});
  expect_near(y("Sub", "x", "x"), {0, 0, 0, 0});
  expect_near(y("Div", "r", "k"), {5, 10, 2.5, 5});
}

TEST(OnnxAffine, VariablesBroadcastAgainstEachOtherAndConstants) {
  Model wide = Model().input("a", {2, 1}).input("b", {1, 3});
  expect_near(run(wide.node("Sub", {"a", "b"}, {"y"}).output(), {10, 20, 1, 2, 3}), {9, 8, 7, 19, 18, 17});
  Model grown = Model().input("x", {2}).constant("c", {2, 1}, {1, 2}).node("Mul", {"x", "c"}, {"y"}).output();
  expect_near(run(grown, {5, 6}), {5, 6, 10, 12});
}

TEST(OnnxAffine, SumAndMeanOfMany) {
  Model model = Model().input("x", {2}).constant("c", {2}, {10, 20});
  expect_near(run(Model(model).node("Sum", {"x", "c", "x"}, {"y"}).output(), {1, 2}), {12, 24});
  expect_near(run(Model(model).node("Mean", {"x", "c", "x"}, {"y"}).output(), {1, 2}), {4, 8});
}

/// numpy's matmul of (batch × m × k) and (batch × k × n), where a batch of 1 repeats.
Reals product(const Reals& a, Index batch_a, const Reals& b, Index batch_b, Index m, Index k, Index n) {
  Reals y;
  for (Index batch = 0; batch < std::max(batch_a, batch_b); ++batch) {
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        double sum = 0;
        for (Index l = 0; l < k; ++l) {
          sum += a[static_cast<std::size_t>(((batch_a > 1 ? batch : 0) * m + i) * k + l)] *
                 b[static_cast<std::size_t>(((batch_b > 1 ? batch : 0) * k + l) * n + j)];
        }
        y.push_back(sum);
      }
    }
  }
  return y;
}

TEST(OnnxAffine, MatMulAsNumpyDoesIt) {
  struct Case {
    Index batch_a, batch_b, m, k, n;
  };
  for (const Case& c : {Case{1, 1, 1, 3, 4}, Case{1, 1, 2, 3, 4}, Case{1, 1, 3, 2, 1}, Case{2, 1, 2, 3, 2},
                        Case{1, 3, 2, 3, 2}, Case{3, 3, 2, 4, 2}, Case{3, 3, 1, 2, 1}}) {
    const Reals a = counting(c.batch_a * c.m * c.k, -3), b = counting(c.batch_b * c.k * c.n, -5);
    const Reals want = product(a, c.batch_a, b, c.batch_b, c.m, c.k, c.n);
    const Ints shape_a = {c.batch_a, c.m, c.k}, shape_b = {c.batch_b, c.k, c.n};
    SCOPED_TRACE(fmt::format("{} {} {} {} {}", c.batch_a, c.batch_b, c.m, c.k, c.n));
    const auto model = [](const char* variable, const Ints& shape, const char* constant, const Ints& dims,
                          const Reals& values) {
      Model made = Model().input(variable, shape).constant(constant, dims, values);
      return made.node("MatMul", {"a", "b"}, {"y"}).output();
    };
    expect_near(run(model("a", shape_a, "b", shape_b, b), a), want);
    expect_near(run(model("b", shape_b, "a", shape_a, a), b), want);
    Model both = Model().input("x", {1}).constant("a", shape_a, a).constant("b", shape_b, b);
    expect_near(run(both.node("MatMul", {"a", "b"}, {"y"}).output(), {0}), want);
  }
}

TEST(OnnxAffine, MatMulOfVectors) {
  Model row = Model().input("x", {2}).constant("w", {2, 3}, {1, 2, 3, 4, 5, 6}).node("MatMul", {"x", "w"}, {"y"});
  EXPECT_EQ(row.output().load().output_shape(), (Shape{3}));
  expect_near(run(row, {1, 10}), {41, 52, 63});
  Model column = Model().input("x", {3}).constant("w", {2, 3}, {1, 2, 3, 4, 5, 6}).node("MatMul", {"w", "x"}, {"y"});
  expect_near(run(column.output(), {1, 10, 100}), {321, 654});
  Model dot = Model().input("x", {3}).constant("w", {3}, {1, 2, 3}).node("MatMul", {"x", "w"}, {"y"}).output();
  EXPECT_TRUE(dot.load().output_shape().empty());
  expect_near(run(dot, {1, 10, 100}), {321});
}

TEST(OnnxAffine, GemmWithEveryTranspositionAndScale) {
  const Reals a = counting(6), b = counting(12, -4), c = {1, 2, 3, 4};
  for (int bits = 0; bits < 4; ++bits) {
    const int ta = bits & 1, tb = bits >> 1;
    // Either operand as the variable; the reference transposes back.
    const auto turned = [](const Reals& v, Index rows, Index cols) {
      Reals t;
      for (Index j = 0; j < cols; ++j) {
        for (Index i = 0; i < rows; ++i) t.push_back(v[static_cast<std::size_t>(i * cols + j)]);
      }
      return t;
    };
    Reals want = product(a, 1, b, 1, 2, 3, 4);
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = 0.5 * want[i] + 2 * c[i % 4];
    const Reals given_a = ta ? turned(a, 2, 3) : a, given_b = tb ? turned(b, 3, 4) : b;
    const Ints shape_a = ta ? Ints{3, 2} : Ints{2, 3}, shape_b = tb ? Ints{4, 3} : Ints{3, 4};
    const std::vector<Attribute> attributes = {{"alpha", 0.5}, {"beta", 2.0}, {"transA", ta}, {"transB", tb}};
    Model left = Model().input("a", shape_a).constant("b", shape_b, given_b).constant("c", {4}, c);
    expect_near(run(left.node("Gemm", {"a", "b", "c"}, {"y"}, attributes).output(), given_a), want);
    Model right = Model().input("b", shape_b).constant("a", shape_a, given_a).constant("c", {1, 4}, c);
    expect_near(run(right.node("Gemm", {"a", "b", "c"}, {"y"}, attributes).output(), given_b), want);
  }
}

TEST(OnnxAffine, GemmBecomesOneMatrix) {
  Model model = Model().input("x", {1, 3}).constant("w", {2, 3}, counting(6)).constant("b", {2}, {5, 6});
  const Network net = model.node("Gemm", {"x", "w", "b"}, {"y"}, {{"transB", 1}}).output().load();
  ASSERT_EQ(net.nodes().size(), 2U);
  const Dense& dense = std::get<Dense>(*net.node(1).op);
  EXPECT_EQ(dense.weight, (Matrix(2, 3) << 1, 2, 3, 4, 5, 6).finished());
  EXPECT_EQ(dense.bias, (Vector(2) << 5, 6).finished());
}

TEST(OnnxAffine, BatchNormalizationPerChannel) {
  Model model = Model().input("x", {1, 2, 2}).constant("s", {2}, {2, 3}).constant("b", {2}, {1, -1});
  model.constant("m", {2}, {1, 2}).constant("v", {2}, {3, 8});
  model.node("BatchNormalization", {"x", "s", "b", "m", "v"}, {"y"}, {{"epsilon", 1.0}, {"momentum", 0.9}}).output();
  expect_near(run(model, {1, 3, 2, 5}), {1, 3, -1, 2});
}

TEST(OnnxAffine, BatchNormalizationInTrainingModeIsRefused) {
  const auto model = [](int opset, const std::vector<std::string>& outputs, const std::vector<Attribute>& attributes) {
    Model m = Model(opset).input("x", {1, 2, 2}).constant("s", {2}, {2, 3}).constant("b", {2}, {1, -1});
    m.constant("m", {2}, {1, 2}).constant("v", {2}, {3, 8});
    return m.node("BatchNormalization", {"x", "s", "b", "m", "v"}, outputs, attributes).output();
  };
  const std::string node = "node 'the_BatchNormalization' (BatchNormalization): ";
  const std::string why = ": in training it normalises by the statistics of the batch";
  EXPECT_EQ(refusal(model(9, {"y", "mean", "var", "saved_mean", "saved_var"}, {}), kUnsupported),
            node + "5 outputs, expected one" + why);
  EXPECT_EQ(refusal(model(7, {"y", "", "var"}, {}), kUnsupported), node + "3 outputs, expected one" + why);
  EXPECT_EQ(refusal(model(15, {"y", "mean", "var"}, {{"training_mode", 1}}), kUnsupported),
            node + "training_mode is true" + why);
  EXPECT_EQ(refusal(model(15, {"y"}, {{"training_mode", 1}}), kUnsupported), node + "training_mode is true" + why);
  EXPECT_EQ(refusal(model(9, {"y"}, {{"is_test", 0}}), kUnsupported), node + "is_test is 0" + why);
  EXPECT_EQ(refusal(model(8, {"y"}, {{"spatial", 0}}), kUnsupported), node + "spatial = 0");
  // Outputs without a name are not there.
  expect_near(run(model(9, {"y", "", "", "", ""}, {{"epsilon", 1.0}}), {1, 3, 2, 5}), {1, 3, -1, 2});
  expect_near(run(model(15, {"y"}, {{"epsilon", 1.0}, {"training_mode", 0}}), {1, 3, 2, 5}), {1, 3, -1, 2});
}

TEST(OnnxAffine, ReductionsByAttributeAndInput) {
  const Reals x = {1, 2, 3, 4, 5, 6};
  expect_near(run(single("ReduceMean", {2, 3}, {{"axes", Ints{1}}}), x), {2, 5});
  expect_near(run(single("ReduceMean", {2, 3}, {{"axes", Ints{-2}}, {"keepdims", 0}}), x), {2.5, 3.5, 4.5});
  expect_near(run(single("ReduceMax", {2, 3}, {{"axes", Ints{0}}}), x), {4, 5, 6});
  expect_near(run(single("ReduceMin", {2, 3}), x), {1});
  Model sum = Model().input("x", {2, 3}).constant("axes", Ints{0}).node("ReduceSum", {"x", "axes"}, {"y"});
  expect_near(run(sum.output(), x), {5, 7, 9});
  expect_near(run(single("ReduceSum", {2, 3}, {{"noop_with_empty_axes", 1}}), x), x);
  EXPECT_EQ(single("ReduceSum", {4, 2, 3}, {{"axes", Ints{1}}, {"keepdims", 0}}, 11).load().output_shape(),
            (Shape{4, 3}));
}

TEST(OnnxAffine, ProductsOfVariablesAreRefused) {
  for (const char* op : {"Mul", "MatMul", "Gemm"}) {
    Model model = Model().input("a", {2, 2}).input("b", {2, 2}).node(op, {"a", "b"}, {"y"}).output();
    EXPECT_EQ(refusal(model, kUnsupported), fmt::format("node 'the_{}' ({}): a product of two variables", op, op));
  }
  Model ratio = Model().input("a", {2}).constant("c", {2}, {1, 2}).node("Div", {"c", "a"}, {"y"}).output();
  EXPECT_EQ(refusal(ratio, kUnsupported), "node 'the_Div' (Div): a division by a variable");
}

}  // namespace
}  // namespace unrect::onnx_tests
