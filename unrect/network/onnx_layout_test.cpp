// Ops that move elements, and those that compute with shapes and constants.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

#include "unrect/network/internal/onnx_model_for_tests.hpp"

namespace unrect::onnx_tests {
namespace {

TEST(OnnxLayout, TransposeConcatSplit) {
  expect_near(run(single("Transpose", {2, 3}), counting(6)), {1, 4, 2, 5, 3, 6});
  expect_near(run(single("Transpose", {1, 2, 3}, {{"perm", Ints{2, 0, 1}}}), counting(6)), {1, 4, 2, 5, 3, 6});
  Model concat =
      Model().input("x", {2, 2}).constant("c", {2, 1}, {8, 9}).node("Concat", {"c", "x"}, {"y"}, {{"axis", 1}});
  expect_near(run(concat.output(), {1, 2, 3, 4}), {8, 1, 2, 9, 3, 4});
  Model split = Model().input("x", {2, 3}).node("Split", {"x"}, {"a", "y"}, {{"axis", -1}, {"split", Ints{1, 2}}});
  split.proto.opset_import[0].version = 11;
  expect_near(run(split.output(), counting(6)), {2, 3, 5, 6});
  Model halves = Model().input("x", {4}).node("Split", {"x"}, {"y", "b"}).output();
  expect_near(run(halves, counting(4)), {1, 2});
}

TEST(OnnxLayout, SliceByAttributeAndInput) {
  const Reals x = counting(12);
  expect_near(run(single("Slice", {3, 4}, {{"starts", Ints{1}}, {"ends", Ints{99}}, {"axes", Ints{0}}}, 9), x),
              counting(8, 5));
  const auto y = [&](const Ints& starts, const Ints& ends, const Ints& axes, const Ints& steps) {
    Model model = Model().input("x", {3, 4}).constant("s", starts).constant("e", ends).constant("a", axes);
    return run(model.constant("t", steps).node("Slice", {"x", "s", "e", "a", "t"}, {"y"}).output(), x);
  };
  const std::int64_t most = std::numeric_limits<std::int64_t>::max(), least = std::numeric_limits<std::int64_t>::min();
  expect_near(y({-1}, {least}, {1}, {-2}), {4, 2, 8, 6, 12, 10});
  // Backwards through element 0, which an end of −5 is before, and up to it, where the end is 0 or −4.
  expect_near(y({-1}, {least}, {1}, {-1}), {4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9});
  expect_near(y({-1}, {-5}, {1}, {-3}), {4, 1, 8, 5, 12, 9});
  expect_near(y({99}, {0}, {1}, {-1}), {4, 3, 2, 8, 7, 6, 12, 11, 10});
  expect_near(y({2}, {-4}, {1}, {-1}), {3, 2, 7, 6, 11, 10});
  expect_near(y({0}, {least}, {1}, {-7}), {1, 5, 9});
  expect_near(y({1}, {most}, {1}, {2}), {2, 4, 6, 8, 10, 12});
  expect_near(y({0, 1}, {most, -1}, {0, 1}, {2, 1}), {2, 3, 10, 11});
  expect_near(y({-99}, {2}, {-2}, {1}), counting(8));
}

TEST(OnnxLayout, GatherWithScalarAndNegativeIndices) {
  TensorProto index = integers("i", {-1});
  Model model = Model().input("x", {2, 3}).constant(index).node("Gather", {"x", "i"}, {"y"}, {{"axis", 1}}).output();
  expect_near(run(model, counting(6)), {3, 6});
  EXPECT_EQ(model.load().output_shape(), (Shape{2, 1}));
  model.proto.graph->initializer[0].dims.clear();
  EXPECT_EQ(model.load().output_shape(), (Shape{2}));
  model.proto.graph->initializer[0].int64_data[0] = 3;
  EXPECT_NE(refusal(model, kFormat).find("index 3 on axis 1"), std::string::npos);
}

TEST(OnnxLayout, PadModes) {
  const Reals x = {1, 2, 3};
  const auto y = [&](const char* mode, const Ints& pads) {
    Model model = Model().input("x", {3}).constant("p", pads).constant("v", {}, {9});
    return run(model.node("Pad", {"x", "p", "v"}, {"y"}, {{"mode", mode}}).output(), x);
  };
  expect_near(y("constant", {1, 2}), {9, 1, 2, 3, 9, 9});
  expect_near(y("constant", {-1, 1}), {2, 3, 9});
  expect_near(y("edge", {1, 2}), {1, 1, 2, 3, 3, 3});
  expect_near(y("reflect", {2, 1}), {3, 2, 1, 2, 3, 2});
  expect_near(y("wrap", {2, 1}), {2, 3, 1, 2, 3, 1});
  expect_near(y("reflect", {1, -1}), {2, 1, 2});
  expect_near(run(single("Pad", {3}, {{"pads", Ints{0, 1}}, {"value", 5.0}}, 7), x), {1, 2, 3, 5});
}

TEST(OnnxLayout, ExpandAndTile) {
  Model expand = Model().input("x", {2, 1}).constant("s", Ints{2, 1, 2}).node("Expand", {"x", "s"}, {"y"}).output();
  expect_near(run(expand, {1, 2}), {1, 1, 2, 2, 1, 1, 2, 2});
  Model tile = Model().input("x", {1, 2}).constant("r", Ints{2, 2}).node("Tile", {"x", "r"}, {"y"}).output();
  expect_near(run(tile, {1, 2}), {1, 2, 1, 2, 1, 2, 1, 2});
}

TEST(OnnxLayout, NearestResize) {
  const auto y = [](const Ints& sizes, const std::vector<Attribute>& attributes, const Reals& x) {
    Model model = Model().input("x", {std::ssize(x)}).constant("z", sizes);
    return run(model.node("Resize", {"x", "", "", "z"}, {"y"}, attributes).output(), x);
  };
  expect_near(y({4}, {}, {1, 2}), {1, 1, 2, 2});
  expect_near(y({4}, {{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "ceil"}}, {1, 2}),
              {1, 2, 2, 2});
  expect_near(y({2}, {{"coordinate_transformation_mode", "align_corners"}, {"nearest_mode", "floor"}}, {1, 2, 3}),
              {1, 3});
  Model up = Model(9).input("x", {1, 2}).constant("s", {2}, {2, 2}).node("Upsample", {"x", "s"}, {"y"}).output();
  expect_near(run(up, {1, 2}), {1, 1, 2, 2, 1, 1, 2, 2});
  EXPECT_NE(refusal(single("Resize", {4}, {{"mode", "linear"}}), kUnsupported).find("mode 'linear'"),
            std::string::npos);
}

TEST(OnnxLayout, EveryCoordinateAndRounding) {
  const auto y = [](const char* place, const char* rounding, Index size, const Reals& x) {
    Model model = Model().input("x", {std::ssize(x)}).constant("z", Ints{size});
    return run(model
                   .node("Resize", {"x", "", "", "z"}, {"y"},
                         {{"coordinate_transformation_mode", place}, {"nearest_mode", rounding}})
                   .output(),
               x);
  };
  // Coordinates −¼, ¼, ¾, 1¼ (half_pixel); ½, 2½ are ties.
  expect_near(y("half_pixel", "floor", 4, {1, 2}), {1, 1, 1, 2});
  expect_near(y("half_pixel", "ceil", 4, {1, 2}), {1, 2, 2, 2});
  expect_near(y("half_pixel", "round_prefer_floor", 2, {1, 2, 3, 4}), {1, 3});
  expect_near(y("half_pixel", "round_prefer_ceil", 2, {1, 2, 3, 4}), {2, 4});
  expect_near(y("half_pixel_symmetric", "round_prefer_ceil", 2, {1, 2, 3, 4}), {2, 4});
  expect_near(y("tf_half_pixel_for_nn", "floor", 2, {1, 2, 3, 4}), {2, 4});
  expect_near(y("asymmetric", "floor", 2, {1, 2, 3, 4}), {1, 3});
  expect_near(y("pytorch_half_pixel", "round_prefer_ceil", 2, {1, 2, 3, 4}), {2, 4});
  expect_near(y("pytorch_half_pixel", "round_prefer_ceil", 1, {1, 2, 3, 4}), {1});
  expect_near(y("half_pixel", "round_prefer_ceil", 1, {1, 2, 3, 4}), {3});
  expect_near(y("align_corners", "floor", 1, {1, 2, 3, 4}), {1});
}

TEST(OnnxLayout, PartsOfUnevenSize) {
  Model model =
      Model(18).input("x", {5}).node("Split", {"x"}, {"y", "z"}, {{"num_outputs", 2}}).output("y").output("z");
  expect_near(run(model, counting(5)), counting(5));
  Model first = Model(18).input("x", {5}).node("Split", {"x"}, {"y", "z"}, {{"num_outputs", 2}}).output();
  expect_near(run(first, counting(5)), {1, 2, 3});
}

TEST(OnnxLayout, ResizeRefusesWhatNearestDoesNotHave) {
  const auto resize = [](const std::vector<Attribute>& attributes) {
    Model model = Model(18).input("x", {2}).constant("z", Ints{4});
    return model.node("Resize", {"x", "", "", "z"}, {"y"}, attributes).output();
  };
  for (const char* name : {"antialias", "exclude_outside"}) {
    EXPECT_EQ(refusal(resize({{name, 1}}), kUnsupported),
              fmt::format("node 'the_Resize' (Resize): {}, which the nearest mode does not have", name));
    expect_near(run(resize({{name, 0}}), {1, 2}), {1, 1, 2, 2});
  }
}

TEST(OnnxLayout, DepthAndSpace) {
  const Reals x = counting(8);
  expect_near(run(single("DepthToSpace", {1, 8, 1, 1}, {{"blocksize", 2}}), x), {1, 3, 5, 7, 2, 4, 6, 8});
  expect_near(run(single("DepthToSpace", {1, 8, 1, 1}, {{"blocksize", 2}, {"mode", "CRD"}}), x), x);
  expect_near(run(single("SpaceToDepth", {1, 2, 2, 2}, {{"blocksize", 2}}), {1, 3, 5, 7, 2, 4, 6, 8}), x);
}

TEST(OnnxShape, ReshapeFlattenSqueezeUnsqueeze) {
  const auto shape = [](const char* op, const Ints& in, const Ints& argument,
                        const std::vector<Attribute>& attributes = {}) {
    Model model = Model().input("x", in).constant("s", argument).node(op, {"x", "s"}, {"y"}, attributes);
    return model.output().load().output_shape();
  };
  EXPECT_EQ(shape("Reshape", {2, 3, 4}, {0, -1}), (Shape{2, 12}));
  EXPECT_EQ(shape("Reshape", {2, 3, 4}, {4, 6}), (Shape{4, 6}));
  EXPECT_EQ(shape("Unsqueeze", {2, 3}, {1, -1}), (Shape{2, 1, 3, 1}));
  EXPECT_EQ(shape("Squeeze", {2, 1, 3, 1}, {-1}), (Shape{2, 1, 3}));
  EXPECT_EQ(single("Squeeze", {2, 1, 3, 1}).load().output_shape(), (Shape{2, 3}));
  EXPECT_EQ(single("Squeeze", {2, 1, 3, 1}, {{"axes", Ints{1}}}, 11).load().output_shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(single("Flatten", {2, 3, 4}, {{"axis", 2}}).load().output_shape(), (Shape{6, 4}));
  EXPECT_EQ(single("Flatten", {2, 3, 4}, {{"axis", -1}}).load().output_shape(), (Shape{6, 4}));
  Model bad = Model().input("x", {2, 3}).constant("s", Ints{4, -1}).node("Reshape", {"x", "s"}, {"y"}).output();
  EXPECT_EQ(refusal(bad, kFormat), "node 'the_Reshape' (Reshape): shape [2, 3] cannot become [4, -1]");
}

TEST(OnnxShape, ChainsThatComputeShapesAreFolded) {
  Model model =
      Model().input("x", {0, 2, 3}).node("Shape", {"x"}, {"s"}).constant("zero", Ints{0}).constant("m", Ints{-1});
  model.node("Gather", {"s", "zero"}, {"n"}).constant("two", Ints{2}).node("Mul", {"n", "two"}, {"n2"});
  model.node("Div", {"n2", "two"}, {"n3"}).node("Concat", {"n3", "m"}, {"t"}, {{"axis", 0}});
  model.node("Reshape", {"x", "t"}, {"y"}).output();
  EXPECT_EQ(model.load().output_shape(), (Shape{6}));
  EXPECT_EQ(model.load().nodes().size(), 1U);
}

TEST(OnnxShape, IntegerDivisionTruncates) {
  Model model =
      Model().input("x", {1}).constant("a", Ints{7, -7}).constant("b", Ints{2}).node("Div", {"a", "b"}, {"q"});
  expect_near(run(model.node("Cast", {"q"}, {"y"}, {{"to", 1}}).output(), {0}), {3, -3});
}

TEST(OnnxShape, ConstantsOfEveryKind) {
  Model model = Model().input("x", {3}).node("ConstantOfShape", {"n"}, {"f"}, {{"value", tensor("", {1}, {4})}});
  model.constant("n", Ints{3}).constant("from", Ints{1}).constant("to", Ints{6}).constant("step", Ints{2});
  model.node("Range", {"from", "to", "step"}, {"r"}).node("Cast", {"r"}, {"rf"}, {{"to", 1}});
  model.node("Constant", {}, {"three"}, {{"value_int", 3}}).node("Equal", {"r", "three"}, {"is3"});
  model.node("Where", {"is3", "x", "f"}, {"w"}).node("Add", {"w", "rf"}, {"y"}).output();
  expect_near(run(model, {10, 20, 30}), {5, 23, 9});
}

TEST(OnnxShape, DropoutIsTheIdentityUnlessItTrains) {
  expect_near(run(single("Dropout", {2}, {{"ratio", 0.5}}, 8), {1, 2}), {1, 2});
  EXPECT_EQ(refusal(single("Dropout", {2}, {{"is_test", 0}}, 8), kUnsupported),
            "node 'the_Dropout' (Dropout): is_test is 0: the output is random");
  TensorProto yes = tensor("t", {}, {});
  yes.data_type = TensorProto::BOOL;
  yes.int32_data.push_back(1);
  Model model = Model().input("x", {2}).constant("r", {}, {0.5}).constant(yes).node("Dropout", {"x", "r", "t"}, {"y"});
  EXPECT_EQ(refusal(model.output(), kUnsupported),
            "node 'the_Dropout' (Dropout): training_mode is true: the output is random");
  model.proto.graph->initializer[0].float_data[0] = 0;
  expect_near(run(model, {1, 2}), {1, 2});
}

TEST(OnnxShape, CastsOfVariables) {
  expect_near(run(single("Cast", {2}, {{"to", TensorProto::DOUBLE}}), {1, 2.5}), {1, 2.5});
  EXPECT_NE(refusal(single("Cast", {2}, {{"to", TensorProto::INT64}}), kUnsupported).find("int64 rounds"),
            std::string::npos);
}

}  // namespace
}  // namespace unrect::onnx_tests
