#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/internal/onnx_format.hpp"
#include "unrect/network/network_file.hpp"

namespace unrect {
namespace {

using onnx::AttributeProto;
using onnx::NodeProto;
using onnx::TensorProto;
using Ints = std::vector<std::int64_t>;
using Reals = std::vector<double>;

/// One attribute, of the type that its value has.
struct Attribute {
  Attribute(std::string key, int value) : Attribute(std::move(key), std::int64_t{value}) {}
  Attribute(std::string key, std::int64_t value) : name(std::move(key)) { proto.i = value; }
  Attribute(std::string key, double value) : name(std::move(key)) { proto.f = static_cast<float>(value); }
  Attribute(std::string key, const char* value) : name(std::move(key)) { proto.s = value; }
  Attribute(std::string key, const Ints& values) : name(std::move(key)) { proto.ints = values; }
  Attribute(std::string key, const TensorProto& value) : name(std::move(key)) { proto.t = value; }
  std::string name;
  AttributeProto proto;
};

TensorProto tensor(const std::string& name, const Ints& dims, const Reals& values) {
  TensorProto result;
  result.name = name;
  result.data_type = TensorProto::FLOAT;
  result.dims = dims;
  for (const double v : values) result.float_data.push_back(static_cast<float>(v));
  return result;
}

TensorProto integers(const std::string& name, const Ints& values) {
  TensorProto result;
  result.name = name;
  result.data_type = TensorProto::INT64;
  result.dims.push_back(std::ssize(values));
  result.int64_data = values;
  return result;
}

/// A model put together in memory. An extent of 0 is written as a symbol.
class Model {
 public:
  explicit Model(int opset = 13) {
    proto.ir_version = 8;
    proto.opset_import.push_back({"", opset});
    proto.graph.emplace();
  }
  Model& input(const std::string& name, const Ints& dims, int type = TensorProto::FLOAT) {
    proto.graph->input.push_back(declared(name, dims, type));
    return *this;
  }
  Model& constant(const std::string& name, const Ints& dims, const Reals& values) {
    proto.graph->initializer.push_back(tensor(name, dims, values));
    return *this;
  }
  Model& constant(const std::string& name, const Ints& values) {
    proto.graph->initializer.push_back(integers(name, values));
    return *this;
  }
  Model& constant(const TensorProto& value) {
    proto.graph->initializer.push_back(value);
    return *this;
  }
  Model& node(const std::string& op, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
              const std::vector<Attribute>& attributes = {}) {
    NodeProto& node = proto.graph->node.emplace_back();
    node.op_type = op;
    node.name = "the_" + op;
    node.input = inputs;
    node.output = outputs;
    for (const Attribute& attribute : attributes) {
      node.attribute.push_back(attribute.proto);
      node.attribute.back().name = attribute.name;
    }
    return *this;
  }
  Model& output(const std::string& name = "y") {
    proto.graph->output.push_back(declared(name, {}, TensorProto::FLOAT));
    return *this;
  }
  std::string bytes() const { return onnx::serialize(proto); }
  Network load(const ImportOptions& options = {}) const { return parse_onnx(bytes(), "m.onnx", options); }

  onnx::ModelProto proto;

 private:
  static onnx::ValueInfoProto declared(const std::string& name, const Ints& dims, int type) {
    onnx::ValueInfoProto value{name, true, type, std::nullopt};
    for (const std::int64_t extent : dims) {
      if (!value.shape) value.shape.emplace();
      value.shape->push_back(extent == 0 ? onnx::Dimension{{}, "batch"} : onnx::Dimension{extent, ""});
    }
    return value;
  }
};

/// x → one node → y.
Model single(const std::string& op, const Ints& shape, const std::vector<Attribute>& attributes = {}, int opset = 13) {
  return Model(opset).input("x", shape).node(op, {"x"}, {"y"}, attributes).output();
}

Reals counting(Index count, double from = 1) {
  Reals values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = from + static_cast<double>(i);
  return values;
}

Vector vector(const Reals& values) { return Eigen::Map<const Vector>(values.data(), std::ssize(values)); }

/// The output at x, checked to be the same with and without folding.
Reals run(const Model& model, const Reals& x) {
  ImportOptions plain;
  plain.fold = false;
  const Vector y = evaluate(model.load(plain), vector(x)), folded = evaluate(model.load(), vector(x));
  EXPECT_LE((y - folded).lpNorm<Eigen::Infinity>(), 1e-12 * (1 + y.lpNorm<Eigen::Infinity>()));
  return {y.begin(), y.end()};
}

void expect_near(const Reals& got, const Reals& want, double tolerance = 1e-6) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << "element " << i;
}

/// The message with which a file is refused.
std::string refusal(const std::string& bytes, ErrorCode code, const ImportOptions& options = {}) {
  try {
    parse_onnx(bytes, "m.onnx", options);
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_TRUE(message.starts_with("m.onnx: ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message.substr(8);
  }
  ADD_FAILURE() << "was not refused";
  return {};
}
std::string refusal(const Model& model, ErrorCode code, const ImportOptions& options = {}) {
  return refusal(model.bytes(), code, options);
}

constexpr auto kUnsupported = ErrorCode::kUnsupported;
constexpr auto kFormat = ErrorCode::kFormat;

// ---- shapes of inputs and outputs

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

// ---- tensors

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

// ---- piecewise-linear ops

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

// ---- affine ops

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

// ---- convolutions and pooling, against loops over the definition

struct WindowCase {
  Index height, width, kernel_height, kernel_width, stride, dilation;
  Ints pads;  // top, left, bottom, right
};

/// Calls f(output row, output column, list of (kernel place, input pixel or −1)).
template <class F>
void for_windows(const WindowCase& c, Index rows, Index cols, const F& f) {
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) {
      std::vector<Index> pixels;
      for (Index u = 0; u < c.kernel_height; ++u) {
        for (Index v = 0; v < c.kernel_width; ++v) {
          const Index r = i * c.stride + u * c.dilation - c.pads[0], s = j * c.stride + v * c.dilation - c.pads[1];
          pixels.push_back(r < 0 || s < 0 || r >= c.height || s >= c.width ? -1 : r * c.width + s);
        }
      }
      f(pixels);
    }
  }
}

Index out_extent(Index in, Index pads, Index kernel, Index dilation, Index stride) {
  return (in + pads - dilation * (kernel - 1) - 1) / stride + 1;
}

const std::vector<WindowCase> kWindows = {{4, 5, 3, 2, 1, 1, {0, 0, 0, 0}},
                                          {5, 4, 2, 2, 2, 1, {1, 0, 0, 1}},
                                          {6, 6, 2, 3, 1, 2, {1, 1, 1, 1}},
                                          {3, 3, 1, 1, 3, 1, {0, 0, 0, 0}}};

std::vector<Attribute> attributes_of(const WindowCase& c) {
  return {{"kernel_shape", Ints{c.kernel_height, c.kernel_width}},
          {"strides", Ints{c.stride, c.stride}},
          {"dilations", Ints{c.dilation, c.dilation}},
          {"pads", c.pads}};
}

TEST(OnnxWindow, ConvolutionInGroupsAndBatches) {
  for (const WindowCase& c : kWindows) {
    for (const Index groups : {1, 2}) {
      for (const Index batch : {1, 3}) {
        const Index channels = 4, filters = 6, area = c.height * c.width, taps = c.kernel_height * c.kernel_width;
        const Index rows = out_extent(c.height, c.pads[0] + c.pads[2], c.kernel_height, c.dilation, c.stride);
        const Index cols = out_extent(c.width, c.pads[1] + c.pads[3], c.kernel_width, c.dilation, c.stride);
        const Reals x = counting(batch * channels * area, -20), w = counting(filters * channels / groups * taps, -9);
        const Reals b = counting(filters);
        Reals want;
        for (Index n = 0; n < batch; ++n) {
          for (Index f = 0; f < filters; ++f) {
            for_windows(c, rows, cols, [&](const std::vector<Index>& pixels) {
              double sum = b[static_cast<std::size_t>(f)];
              const Index each = channels / groups, first = f / (filters / groups) * each;
              for (Index k = 0; k < each; ++k) {
                for (Index t = 0; t < taps; ++t) {
                  const Index pixel = pixels[static_cast<std::size_t>(t)];
                  if (pixel < 0) continue;
                  sum += w[static_cast<std::size_t>((f * each + k) * taps + t)] *
                         x[static_cast<std::size_t>((n * channels + first + k) * area + pixel)];
                }
              }
              want.push_back(sum);
            });
          }
        }
        std::vector<Attribute> attributes = attributes_of(c);
        attributes.emplace_back("group", std::int64_t{groups});
        Model model = Model().input("x", {batch, channels, c.height, c.width}).constant("b", {filters}, b);
        model.constant("w", {filters, channels / groups, c.kernel_height, c.kernel_width}, w);
        expect_near(run(model.node("Conv", {"x", "w", "b"}, {"y"}, attributes).output(), x), want);
      }
    }
  }
}

TEST(OnnxWindow, PoolingOverTheInputAlone) {
  for (const WindowCase& c : kWindows) {
    const Index area = c.height * c.width, channels = 2;
    const Index rows = out_extent(c.height, c.pads[0] + c.pads[2], c.kernel_height, c.dilation, c.stride);
    const Index cols = out_extent(c.width, c.pads[1] + c.pads[3], c.kernel_width, c.dilation, c.stride);
    Reals x = counting(channels * area);
    for (double& v : x) v = std::sin(3 * v);
    Reals largest, means, padded_means;
    for (Index k = 0; k < channels; ++k) {
      for_windows(c, rows, cols, [&](const std::vector<Index>& pixels) {
        double best = -HUGE_VAL, sum = 0, count = 0;
        for (const Index p : pixels) {
          if (p < 0) continue;
          best = std::max(best, x[static_cast<std::size_t>(k * area + p)]);
          sum += x[static_cast<std::size_t>(k * area + p)];
          ++count;
        }
        largest.push_back(best);
        means.push_back(sum / count);
        padded_means.push_back(sum / static_cast<double>(pixels.size()));
      });
    }
    const Ints shape = {1, channels, c.height, c.width};
    std::vector<Attribute> attributes = attributes_of(c);
    expect_near(run(single("MaxPool", shape, attributes), x), largest);
    expect_near(run(single("AveragePool", shape, attributes, 19), x), means);
    const Attribute with_pads("count_include_pad", 1);
    attributes.push_back(with_pads);
    expect_near(run(single("AveragePool", shape, attributes, 19), x), padded_means);
  }
}

TEST(OnnxWindow, CeilModeDoesNotStartInThePadding) {
  // Over [1 5 2 | 0 0]: a second window would start at the first pad.
  const std::vector<Attribute> padded = {
      {"kernel_shape", Ints{2}}, {"strides", Ints{3}}, {"pads", Ints{0, 2}}, {"ceil_mode", 1}};
  expect_near(run(single("MaxPool", {1, 1, 3}, padded), {1, 5, 2}), {5});
  // What hangs over the pads counts nowhere: 2 / 1 at the end of [1 5 2], and (2 + 0) / 2 with a pad there.
  std::vector<Attribute> mean = {
      {"kernel_shape", Ints{2}}, {"strides", Ints{2}}, {"ceil_mode", 1}, {"count_include_pad", 1}};
  expect_near(run(single("AveragePool", {1, 1, 3}, mean), {1, 5, 2}), {3, 2});
  mean.push_back({"pads", Ints{0, 1}});
  expect_near(run(single("AveragePool", {1, 1, 3}, mean), {1, 5, 2}), {3, 1});
}

TEST(OnnxWindow, CeilModeHangsOverTheEnd) {
  const std::vector<Attribute> attributes = {{"kernel_shape", Ints{2}}, {"strides", Ints{2}}, {"ceil_mode", 1}};
  expect_near(run(single("MaxPool", {1, 1, 5}, attributes), {1, 5, 2, 4, 3}), {5, 4, 3});
  expect_near(run(single("AveragePool", {1, 1, 5}, attributes), {1, 5, 2, 4, 3}), {3, 3, 3});
  // A window that would start behind the input is none.
  std::vector<Attribute> padded = attributes;
  padded.emplace_back("pads", Ints{0, 1});
  expect_near(run(single("MaxPool", {1, 1, 4}, padded), {1, 5, 2, 4}), {5, 4});
}

TEST(OnnxWindow, AutoPad) {
  const auto y = [](const char* mode) {
    Model model = Model().input("x", {1, 1, 4}).constant("w", {1, 1, 2}, {1, 10});
    return run(model.node("Conv", {"x", "w"}, {"y"}, {{"auto_pad", mode}}).output(), {1, 2, 3, 4});
  };
  expect_near(y("SAME_UPPER"), {21, 32, 43, 4});
  expect_near(y("SAME_LOWER"), {10, 21, 32, 43});
  expect_near(y("VALID"), {21, 32, 43});
}

TEST(OnnxWindow, PoolingOverThreeAxes) {
  expect_near(run(single("MaxPool", {1, 1, 2, 2, 2}, {{"kernel_shape", Ints{2, 1, 2}}}), counting(8)), {6, 8});
  EXPECT_NE(refusal(single("AveragePool", {1, 1, 2, 2, 2}, {{"kernel_shape", Ints{2, 1, 2}}}), kUnsupported)
                .find("3 spatial axes"),
            std::string::npos);
}

TEST(OnnxWindow, GlobalPooling) {
  expect_near(run(single("GlobalAveragePool", {1, 2, 1, 3}), counting(6)), {2, 5});
  expect_near(run(single("GlobalMaxPool", {1, 2, 1, 3}), counting(6)), {3, 6});
}

TEST(OnnxWindow, ConvTransposeScattersItsInput) {
  for (const Index groups : {1, 2}) {
    const Index channels = 2, each = 2, in = 3, kernel = 2, stride = 2, dilation = 2, before = 1, after = 0, extra = 1;
    const Index full = stride * (in - 1) + dilation * (kernel - 1) + 1 + extra, out = full - before - after;
    const Reals x = counting(channels * in), w = counting(channels * each * kernel, -3), b = counting(groups * each);
    Reals want;
    for (Index m = 0; m < groups * each; ++m) want.insert(want.end(), static_cast<std::size_t>(out), b[m]);
    for (Index c = 0; c < channels; ++c) {
      for (Index i = 0; i < in; ++i) {
        for (Index m = 0; m < each; ++m) {
          for (Index t = 0; t < kernel; ++t) {
            const Index to = i * stride + t * dilation - before, filter = c / (channels / groups) * each + m;
            if (to < 0 || to >= out) continue;
            want[static_cast<std::size_t>(filter * out + to)] +=
                x[static_cast<std::size_t>(c * in + i)] * w[static_cast<std::size_t>((c * each + m) * kernel + t)];
          }
        }
      }
    }
    Model model = Model().input("x", {1, channels, in}).constant("w", {channels, each, kernel}, w);
    model.constant("b", {groups * each}, b);
    model.node("ConvTranspose", {"x", "w", "b"}, {"y"},
               {{"strides", Ints{stride}},
                {"dilations", Ints{dilation}},
                {"pads", Ints{before, after}},
                {"output_padding", Ints{extra}},
                {"group", std::int64_t{groups}}});
    expect_near(run(model.output(), x), want);
  }
}

TEST(OnnxWindow, ConvTransposeToAWantedShape) {
  Model model = Model().input("x", {1, 1, 2}).constant("w", {1, 1, 3}, {1, 1, 1});
  model.node("ConvTranspose", {"x", "w"}, {"y"}, {{"strides", Ints{2}}, {"output_shape", Ints{4}}}).output();
  expect_near(run(model, {1, 10}), {1, 11, 10, 10});
}

TEST(OnnxWindow, BadWindowsAreRefused) {
  EXPECT_NE(refusal(single("MaxPool", {1, 1, 3}, {{"kernel_shape", Ints{5}}}), kFormat).find("a kernel of 5"),
            std::string::npos);
  EXPECT_NE(refusal(single("MaxPool", {1, 1, 3}, {{"kernel_shape", Ints{2}}, {"strides", Ints{0}}}), kFormat)
                .find("strides holds 0"),
            std::string::npos);
  EXPECT_NE(refusal(single("MaxPool", {1, 1, 3}, {{"kernel_shape", Ints{2, 2}}}), kFormat).find("kernel_shape"),
            std::string::npos);
  EXPECT_NE(refusal(single("AveragePool", {1, 1, 3}, {{"kernel_shape", Ints{1}}, {"pads", Ints{2, 0}}}), kFormat)
                .find("in the padding"),
            std::string::npos);
  Model chained = Model().input("x", {1, 3, 4, 4}).constant("w", {2, 2, 1, 1}, counting(4));
  EXPECT_EQ(refusal(chained.node("Conv", {"x", "w"}, {"y"}).output(), kFormat),
            "node 'the_Conv' (Conv): weights of shape [2, 2, 1, 1] for an input of shape [1, 3, 4, 4] in 1 groups");
}

// ---- ops that move elements

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

// ---- shapes and constants

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

// ---- what is refused

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
}  // namespace unrect
