// ONNX models put together in memory, what they put out, and with which words they are refused.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/internal/onnx_format.hpp"
#include "unrect/network/network_file.hpp"

namespace unrect::onnx_tests {

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

inline TensorProto tensor(const std::string& name, const Ints& dims, const Reals& values) {
  TensorProto result;
  result.name = name;
  result.data_type = TensorProto::FLOAT;
  result.dims = dims;
  for (const double v : values) result.float_data.push_back(static_cast<float>(v));
  return result;
}

inline TensorProto integers(const std::string& name, const Ints& values) {
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
inline Model single(const std::string& op, const Ints& shape, const std::vector<Attribute>& attributes = {},
                    int opset = 13) {
  return Model(opset).input("x", shape).node(op, {"x"}, {"y"}, attributes).output();
}

inline Reals counting(Index count, double from = 1) {
  Reals values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = from + static_cast<double>(i);
  return values;
}

inline Vector vector(const Reals& values) { return Eigen::Map<const Vector>(values.data(), std::ssize(values)); }

/// The output at x, checked to be the same with and without folding.
inline Reals run(const Model& model, const Reals& x) {
  ImportOptions plain;
  plain.fold = false;
  const Vector y = evaluate(model.load(plain), vector(x)), folded = evaluate(model.load(), vector(x));
  EXPECT_LE((y - folded).lpNorm<Eigen::Infinity>(), 1e-12 * (1 + y.lpNorm<Eigen::Infinity>()));
  return {y.begin(), y.end()};
}

inline void expect_near(const Reals& got, const Reals& want, double tolerance = 1e-6) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << "element " << i;
}

/// The message with which a file is refused.
inline std::string refusal(const std::string& bytes, ErrorCode code, const ImportOptions& options = {}) {
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
inline std::string refusal(const Model& model, ErrorCode code, const ImportOptions& options = {}) {
  return refusal(model.bytes(), code, options);
}

inline constexpr auto kUnsupported = ErrorCode::kUnsupported;
inline constexpr auto kFormat = ErrorCode::kFormat;

}  // namespace unrect::onnx_tests
