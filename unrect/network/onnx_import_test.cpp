// What a whole file says: inputs and outputs, tensors, and what is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unrect/network/internal/onnx_model_for_tests.hpp"

namespace unrect::onnx_tests {
namespace {

TEST(OnnxImport, LeadingOneIsTheBatch) {
  const Network net = single("Relu", {1, 2, 3}).load();
  EXPECT_EQ(net.input_shape(), (Shape{2, 3}));
  EXPECT_EQ(net.output_shape(), (Shape{2, 3}));
}

TEST(OnnxImport, SymbolicBatchIsOne) { EXPECT_EQ(single("Relu", {0, 4}).load().input_shape(), (Shape{4})); }

TEST(OnnxImport, RealFirstAxisIsPartOfTheInput) {
  EXPECT_EQ(single("Relu", {2, 3}).load().input_shape(), (Shape{2, 3}));
  EXPECT_EQ(single("Relu", {1}).load().input_shape(), (Shape{1}));
}

TEST(OnnxImport, SeveralInputsAndOutputsStandEndToEnd) {
  Model model;
  model.input("a", {1, 2}).input("b", {2, 1}).node("Add", {"a", "b"}, {"s"}).node("Neg", {"b"}, {"n"});
  model.output("s").output("n");
  expect_near(run(model, {1, 2, 10, 20}), {11, 12, 21, 22, -10, -20});
}

TEST(OnnxImport, InitializersMayBeListedAsInputs) {
  Model model = Model().input("x", {2}).input("w", {2}).constant("w", {2}, {3, 4}).node("Mul", {"x", "w"}, {"y"});
  expect_near(run(model.output(), {1, 1}), {3, 4});
}

TEST(OnnxImport, NodesMayStandInAnyOrder) {
  Model model = Model().input("x", {2}).node("Neg", {"t"}, {"y"}).node("Add", {"x", "c"}, {"t"});
  model.node("Constant", {}, {"c"}, {{"value", tensor("", {2}, {5, 6})}}).output();
  expect_near(run(model, {1, 1}), {-6, -7});
}

TEST(OnnxImport, NodesThatNoOutputNeedsAreNotRead) {
  expect_near(run(single("Relu", {1}).node("Sigmoid", {"x"}, {"unused"}), {-1}), {0});
}

TEST(OnnxImport, OutputMayBeConstantOrTheInput) {
  expect_near(run(Model().input("x", {2}).constant("y", {3}, {1, 2, 3}).output(), {9, 9}), {1, 2, 3});
  expect_near(run(Model().input("x", {2}).output("x"), {8, 9}), {8, 9});
}

TEST(OnnxImport, NodesKeepTheFilesNames) {
  ImportOptions options;
  options.fold = false;
  EXPECT_EQ(single("Relu", {2}).load(options).nodes().back().name, "the_Relu");
}

TEST(OnnxTensor, EveryTypeRawAndTyped) {
  const auto through = [](const TensorProto& value) {
    return run(Model().input("x", {1}).constant(value).node("Cast", {"c"}, {"y"}, {{"to", 1}}).output(), {0});
  };
  const auto made = [](int type, const std::string& raw) {
    TensorProto value;
    value.name = "c";
    value.dims.push_back(2);
    value.data_type = type;
    if (!raw.empty()) value.raw_data = raw;
    return value;
  };
  using namespace std::string_literals;
  expect_near(through(made(TensorProto::FLOAT, "\0\0\x80\x3f\0\0\0\xc0"s)), {1, -2});
  expect_near(through(made(TensorProto::DOUBLE, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0"s)), {1, -2});
  expect_near(through(made(TensorProto::FLOAT16, "\0\x3c\0\xc0"s)), {1, -2});
  expect_near(through(made(TensorProto::BFLOAT16, "\x80\x3f\0\xc0"s)), {1, -2});
  expect_near(through(made(TensorProto::INT8, "\x01\xfe"s)), {1, -2});
  expect_near(through(made(TensorProto::UINT8, "\x01\xfe"s)), {1, 254});
  expect_near(through(made(TensorProto::BOOL, "\x01\0"s)), {1, 0});
  expect_near(through(made(TensorProto::INT16, "\x01\0\xfe\xff"s)), {1, -2});
  expect_near(through(made(TensorProto::UINT16, "\x01\0\xfe\xff"s)), {1, 65534});
  expect_near(through(made(TensorProto::INT32, "\x01\0\0\0\xfe\xff\xff\xff"s)), {1, -2});
  expect_near(through(made(TensorProto::UINT32, "\x01\0\0\0\xfe\xff\xff\xff"s)), {1, 4294967294});
  expect_near(through(made(TensorProto::INT64, "\x01\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff"s)), {1, -2});
  expect_near(through(made(TensorProto::UINT64, "\x01\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"s)), {1, 2});
  for (const int type : {TensorProto::INT8, TensorProto::INT16, TensorProto::INT32}) {
    TensorProto typed = made(type, "");
    typed.int32_data.push_back(1);
    typed.int32_data.push_back(-2);
    expect_near(through(typed), {1, -2});
  }
  TensorProto half = made(TensorProto::FLOAT16, "");
  half.int32_data.push_back(0x3c00);
  half.int32_data.push_back(0xc000);
  expect_near(through(half), {1, -2});
  TensorProto wide = made(TensorProto::DOUBLE, "");
  wide.double_data.push_back(1e-30);
  wide.double_data.push_back(-2);
  expect_near(through(wide), {1e-30, -2}, 1e-40);
}

// Integer weights, as quantised networks keep them.
TEST(OnnxTensor, IntegersTimesScales) {
  TensorProto integers = tensor("q", {2, 2}, {});
  integers.data_type = TensorProto::INT8;
  integers.float_data.clear();
  for (const int value : {1, -2, 3, 4}) integers.int32_data.push_back(value);
  TensorProto zeros = tensor("zero", {2}, {});
  zeros.data_type = TensorProto::INT8;
  zeros.float_data.clear();
  for (const int value : {1, 4}) zeros.int32_data.push_back(value);
  const auto product = [&](const TensorProto& scale, const Ints& axis, bool shifted) {
    Model model = Model().input("x", {1, 2}).constant(integers).constant(zeros).constant(scale);
    std::vector<std::string> in{"q", "s"};
    if (shifted) in.emplace_back("zero");
    if (axis.empty()) {
      model.node("DequantizeLinear", in, {"w"});
    } else {
      model.node("DequantizeLinear", in, {"w"}, {{"axis", axis[0]}});
    }
    return model.node("MatMul", {"x", "w"}, {"y"}).output();
  };
  const TensorProto one = tensor("s", {}, {0.5}), two = tensor("s", {2}, {0.5, 2}), three = tensor("s", {3}, {1, 1, 1});
  expect_near(run(product(one, {}, false), {1, 10}), {15.5, 19});
  expect_near(run(product(two, {}, false), {1, 10}), {15.5, 76});
  expect_near(run(product(two, {0}, false), {1, 10}), {60.5, 79});
  expect_near(run(product(two, {0}, true), {1, 10}), {-20, -1.5});
  EXPECT_EQ(refusal(product(three, {}, false), kFormat),
            "node 'the_DequantizeLinear' (DequantizeLinear): shapes [1, 3] and [2, 2] do not go together");
  EXPECT_EQ(refusal(product(two, {2}, false), kFormat),
            "node 'the_DequantizeLinear' (DequantizeLinear): axis 2 of a value with 2 axes");
  Model scales = Model().input("x", {2}).constant(integers);
  EXPECT_EQ(refusal(scales.node("DequantizeLinear", {"q", "x"}, {"y"}).output(), kUnsupported).substr(0, 46),
            "node 'the_DequantizeLinear' (DequantizeLinear)");
  Model variable = Model().input("x", {1, 2}).constant(one);
  EXPECT_EQ(refusal(variable.node("DequantizeLinear", {"x", "s"}, {"y"}).output(), kUnsupported),
            "node 'the_DequantizeLinear' (DequantizeLinear): integers that are no constant; expected weights");
}

TEST(OnnxTensor, BadTensorsAreRefusedByName) {
  const auto message = [](const TensorProto& value, ErrorCode code = kFormat) {
    return refusal(Model().input("x", {2}).constant(value).node("Add", {"x", "w"}, {"y"}).output(), code);
  };
  TensorProto huge = tensor("w", {1 << 20, 1 << 20, 1 << 20, 1 << 20}, {1, 2});
  EXPECT_EQ(message(huge),
            "node 'the_Add' (Add): tensor 'w': 2 elements of data, expected as many as dims "
            "[1048576, 1048576, 1048576, 1048576] have");
  EXPECT_NE(message(tensor("w", {-2}, {1, 2})).find("negative extent"), std::string::npos);
  EXPECT_EQ(message(tensor("w", {2}, {1, std::nan("")})),
            "node 'the_Add' (Add): tensor 'w' holds nan at element 1, expected finite numbers");
  EXPECT_NE(message(tensor("w", {2}, {HUGE_VAL, 1})).find("holds inf at element 0"), std::string::npos);
  TensorProto strings = tensor("w", {2}, {});
  strings.data_type = TensorProto::STRING;
  EXPECT_NE(message(strings).find("elements of type string"), std::string::npos);
  TensorProto outside = tensor("w", {2}, {});
  outside.data_location = 1;
  EXPECT_NE(message(outside, kUnsupported).find("another file"), std::string::npos);
  TensorProto ragged = tensor("w", {2}, {});
  ragged.raw_data = "1234567";
  EXPECT_NE(message(ragged).find("7 bytes of data, not whole elements"), std::string::npos);
}

TEST(OnnxRefusal, OpsAreNamedWithTheReason) {
  const auto message = [](const char* op) { return refusal(single(op, {2, 2}), kUnsupported); };
  EXPECT_EQ(message("Sigmoid"), "node 'the_Sigmoid' (Sigmoid): is smooth, not piecewise linear");
  EXPECT_EQ(message("Floor"), "node 'the_Floor' (Floor): is not piecewise linear in a variable input");
  EXPECT_EQ(message("Sign"), "node 'the_Sign' (Sign): is discontinuous");
  EXPECT_EQ(message("LRN"), "node 'the_LRN' (LRN): divides by a function of the input");
  EXPECT_EQ(message("If"), "node 'the_If' (If): holds a subgraph");
  EXPECT_EQ(message("Nonsense"), "node 'the_Nonsense' (Nonsense): is not an op that unrect knows");
  Model trees = single("TreeEnsembleRegressor", {2});
  trees.proto.graph->node[0].domain = "ai.onnx.ml";
  EXPECT_EQ(refusal(trees, kUnsupported),
            "node 'the_TreeEnsembleRegressor' (TreeEnsembleRegressor): belongs to the domain 'ai.onnx.ml'");
}

TEST(OnnxRefusal, FinalSoftmaxIsCutOnRequest) {
  const Model last = single("Softmax", {1, 2});
  EXPECT_NE(refusal(last, kUnsupported).find("cut_softmax"), std::string::npos);
  ImportOptions options;
  options.cut_softmax = true;
  EXPECT_EQ(evaluate(last.load(options), Vector::LinSpaced(2, 1, 2)), Vector::LinSpaced(2, 1, 2));
  Model middle = Model().input("x", {2}).node("Softmax", {"x"}, {"t"}).node("Relu", {"t"}, {"y"}).output();
  EXPECT_NE(refusal(middle, kUnsupported, options).find("does not end the network"), std::string::npos);
}

TEST(OnnxRefusal, UnknownAttributesAreNotSkipped) {
  EXPECT_EQ(refusal(single("Relu", {2}, {{"leak", 0.1}}), kUnsupported),
            "node 'the_Relu' (Relu): attribute 'leak' is not one that unrect knows");
}

TEST(OnnxRefusal, ArgumentsThatComeTwice) {
  Model sum =
      Model().input("x", {2, 3}).constant("axes", Ints{0}).node("ReduceSum", {"x", "axes"}, {"y"}, {{"axes", Ints{1}}});
  EXPECT_EQ(refusal(sum.output(), kFormat),
            "node 'the_ReduceSum' (ReduceSum): 'axes' comes twice, as an attribute and as input 1");
  Model clip = Model().input("x", {2}).constant("low", {}, {0}).node("Clip", {"x", "low"}, {"y"}, {{"min", -1.0}});
  EXPECT_EQ(refusal(clip.output(), kFormat),
            "node 'the_Clip' (Clip): 'min' comes twice, as an attribute and as input 1");
}

TEST(OnnxRefusal, BrokenGraphs) {
  Model cycle = Model().input("x", {2}).node("Add", {"x", "b"}, {"a"}).node("Relu", {"a"}, {"b"}).output("b");
  EXPECT_EQ(refusal(cycle, kFormat), "node 'the_Relu' (Relu): 'b' depends on itself: a cycle");
  EXPECT_EQ(refusal(Model().input("x", {2}).node("Add", {"x", "w"}, {"y"}).output(), kFormat),
            "node 'the_Add' (Add): input 'w' is no input of the graph, no initializer and no node's output");
  EXPECT_EQ(refusal(Model().input("x", {2}).node("Add", {"x"}, {"y"}).output(), kFormat),
            "node 'the_Add' (Add): input 1 is missing");
  EXPECT_EQ(refusal(Model().input("x", {2}).node("Relu", {"x"}, {"y"}).node("Abs", {"x"}, {"y"}).output(), kFormat),
            "node 'the_Abs' (Abs): another node computes 'y', too");
  Model twice = Model().input("x", {2}).input("z", {2}).node("Relu", {"z"}, {"x"}).output("x");
  EXPECT_EQ(refusal(twice, kFormat), "node 'the_Relu' (Relu): two values are named 'x'");
  EXPECT_EQ(refusal(Model().input("x", {2}).output(), kFormat), "nothing computes the output 'y'");
  EXPECT_EQ(refusal(Model().constant("y", {1}, {1}).output(), kUnsupported), "the graph has no input");
  EXPECT_EQ(refusal(Model().input("x", {2}).node("Relu", {"x"}, {"y"}), kFormat), "the graph has no output");
  Model shapes = Model().input("x", {2}).constant("w", {3}, {1, 2, 3}).node("Add", {"x", "w"}, {"y"}).output();
  EXPECT_EQ(refusal(shapes, kFormat), "node 'the_Add' (Add): shapes [2] and [3] do not go together");
  Model indices =
      Model().input("x", {1, 1, 2}).node("MaxPool", {"x"}, {"m", "y"}, {{"kernel_shape", Ints{1}}}).output();
  EXPECT_NE(refusal(indices, kUnsupported).find("output 1 'y' is used"), std::string::npos);
}

TEST(OnnxRefusal, InputsThatAreNoFixedFloats) {
  EXPECT_EQ(refusal(single("Relu", {1, 0}), kUnsupported),
            "input 'x' leaves axis 1 open, expected at most the first, the batch, to be open");
  EXPECT_EQ(refusal(Model().input("x", {2}, TensorProto::INT64).output("x"), kUnsupported),
            "input 'x' has the type int64, expected float");
  EXPECT_NE(refusal(single("Relu", {std::int64_t{1} << 60, 1 << 20}), kUnsupported).find("more than"),
            std::string::npos);
}

TEST(OnnxRefusal, SmallFilesThatAskForMuch) {
  const auto message = [](const char* op, const Ints& argument) {
    Model model = Model().input("x", {1}).constant("s", argument).node(op, {"x", "s"}, {"y"}).output();
    return refusal(model, kUnsupported);
  };
  EXPECT_NE(message("Expand", {1 << 20, 1 << 20}).find("has more than 134217728 elements"), std::string::npos);
  EXPECT_NE(message("Tile", {std::int64_t{1} << 39}).find("has more than"), std::string::npos);
  EXPECT_NE(message("Pad", {std::int64_t{1} << 39, 0}).find("has more than"), std::string::npos);
  Model fill = Model().input("x", {1}).constant("s", Ints{std::int64_t{1} << 50}).node("ConstantOfShape", {"s"}, {"y"});
  EXPECT_NE(refusal(fill.output(), kUnsupported).find("has more than"), std::string::npos);
  // Many steps, each of them small.
  Model steps = Model().input("x", {1000}).constant("w", {1000}, counting(1000));
  std::string last = "x";
  for (int i = 0; i < 100; ++i) {
    const std::string next = fmt::format("t{}", i);
    steps.node("Add", {last, "w"}, {next});
    last = next;
  }
  ImportOptions options;
  options.max_elements = 100000;
  EXPECT_NE(refusal(steps.output(last), kUnsupported, options).find("more than 100000 weights"), std::string::npos);
  EXPECT_EQ(steps.load().input_size(), 1000);
}

TEST(OnnxRefusal, OpsetsFunctionsAndSparseTensors) {
  EXPECT_EQ(refusal(single("Relu", {1}, {}, 6), kUnsupported), "opset 6, expected 7 to 24");
  EXPECT_EQ(refusal(single("Relu", {1}, {}, 99), kUnsupported), "opset 99, expected 7 to 24");
  Model functions = single("Relu", {1});
  functions.proto.functions = 1;
  EXPECT_NE(refusal(functions, kUnsupported).find("functions of its own"), std::string::npos);
  Model sparse = single("Relu", {1});
  sparse.proto.graph->sparse_initializers = 1;
  EXPECT_NE(refusal(sparse, kUnsupported).find("sparse"), std::string::npos);
}

TEST(OnnxRefusal, BytesThatAreNoModel) {
  EXPECT_EQ(refusal("hello", kFormat), "is not an ONNX model, or a damaged one");
  EXPECT_EQ(refusal("", kFormat), "no graph, expected an ONNX model");
  const std::string good = single("Relu", {2}).bytes();
  for (std::size_t i = 0; i < good.size(); ++i) {
    try {
      parse_onnx(std::string_view(good).substr(0, i), "m.onnx");
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
}

TEST(OnnxRefusal, MessagesStayOnOneShortLine) {
  Model model = single("Sigmoid", {2});
  model.proto.graph->node[0].name = "a\nb\x1b[31m" + std::string(5000, 'x');
  const std::string message = refusal(model, kUnsupported);
  EXPECT_LT(message.size(), 300U);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace unrect::onnx_tests
