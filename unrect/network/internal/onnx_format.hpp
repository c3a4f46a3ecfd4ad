// The part of the ONNX file format that unrect reads and writes: the format's own messages as plain structs.
//
// ONNX is protocol buffers: a message is a sequence of (field number, value). Names and field numbers are the format's
// (onnx.proto); fields that are not listed are skipped. A field that is missing keeps its default, as in the format; of
// one whose presence matters `std::optional` tells.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unrect::onnx {

struct TensorProto {
  enum DataType : std::int32_t {
    UNDEFINED = 0,
    FLOAT = 1,
    UINT8 = 2,
    INT8 = 3,
    UINT16 = 4,
    INT16 = 5,
    INT32 = 6,
    INT64 = 7,
    STRING = 8,
    BOOL = 9,
    FLOAT16 = 10,
    DOUBLE = 11,
    UINT32 = 12,
    UINT64 = 13,
    BFLOAT16 = 16,
  };
  std::vector<std::int64_t> dims;
  std::int32_t data_type = UNDEFINED;
  bool segment = false;  // only a part of it is there
  std::vector<float> float_data;
  std::vector<std::int32_t> int32_data;
  std::vector<std::int64_t> int64_data;
  std::string name;
  std::optional<std::string> raw_data;
  std::vector<double> double_data;
  std::vector<std::uint64_t> uint64_data;
  std::vector<std::string> external_data;  // entries of where in another file, undecoded
  std::int32_t data_location = 0;          // 1: in another file
};

struct AttributeProto {
  enum Type : std::int32_t { UNDEFINED = 0, FLOAT = 1, INT = 2, STRING = 3, TENSOR = 4, FLOATS = 6, INTS = 7 };
  std::string name;
  std::optional<float> f;
  std::optional<std::int64_t> i;
  std::optional<std::string> s;
  std::optional<TensorProto> t;
  std::vector<float> floats;
  std::vector<std::int64_t> ints;
  std::int32_t type = UNDEFINED;
  std::string ref_attr_name;
};

struct NodeProto {
  std::vector<std::string> input;
  std::vector<std::string> output;
  std::string name;
  std::string op_type;
  std::vector<AttributeProto> attribute;
  std::string domain;
};

struct Dimension {
  std::optional<std::int64_t> dim_value;
  std::string dim_param;
};

struct ValueInfoProto {
  std::string name;
  bool tensor = false;  // its type is one
  std::int32_t elem_type = 0;
  std::optional<std::vector<Dimension>> shape;
};

struct GraphProto {
  std::vector<NodeProto> node;
  std::string name;
  std::vector<TensorProto> initializer;
  std::vector<ValueInfoProto> input;
  std::vector<ValueInfoProto> output;
  int sparse_initializers = 0;
};

struct OperatorSetIdProto {
  std::string domain;
  std::int64_t version = 0;
};

struct StringStringEntryProto {
  std::string key;
  std::string value;
};

struct ModelProto {
  std::int64_t ir_version = 0;
  std::string producer_name;
  std::optional<GraphProto> graph;
  std::vector<OperatorSetIdProto> opset_import;
  std::vector<StringStringEntryProto> metadata_props;
  int functions = 0;
};

/// @throws Error kFormat for bytes that are no protocol buffer, end too early, or are more than 2 GiB.
ModelProto parse_model(std::string_view bytes);
/// The metadata alone, without a copy of the weights. @throws as parse_model.
std::vector<StringStringEntryProto> parse_metadata(std::string_view bytes);
/// @throws Error kInvalidArgument for more than 2 GiB.
std::string serialize(const ModelProto& model);

}  // namespace unrect::onnx
