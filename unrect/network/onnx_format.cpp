#include "unrect/network/internal/onnx_format.hpp"

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <type_traits>

#include "unrect/base/error.hpp"

namespace unrect::onnx {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;

constexpr std::size_t kMostBytes = 0x7fffffff;  // of a message, in every implementation of the format

// ---- reading ----
//
// A field of another wire type than its own is unknown, as protocol buffers have it: each read() answers whether it
// took the field. Numbers of a repeated field come one by one or packed.

bool read(pbf_reader& in, std::string& out) {
  if (in.wire_type() != pbf_wire_type::length_delimited) return false;
  out = in.get_string();
  return true;
}

template <class Integer>
  requires std::is_integral_v<Integer>
bool read(pbf_reader& in, Integer& out) {
  if (in.wire_type() != pbf_wire_type::varint) return false;
  out = static_cast<Integer>(in.get_int64());
  return true;
}

bool read(pbf_reader& in, float& out) {
  if (in.wire_type() != pbf_wire_type::fixed32) return false;
  out = in.get_float();
  return true;
}

bool read(pbf_reader& in, double& out) {
  if (in.wire_type() != pbf_wire_type::fixed64) return false;
  out = in.get_double();
  return true;
}

template <class Value>
bool read(pbf_reader& in, std::optional<Value>& out) {
  Value value{};
  if (!read(in, value)) return false;
  out = std::move(value);
  return true;
}

bool read(pbf_reader& in, std::vector<std::string>& out) {
  return read(in, out.emplace_back()) || (out.pop_back(), false);
}

template <class Number>
  requires std::is_arithmetic_v<Number>
bool read(pbf_reader& in, std::vector<Number>& out) {
  if (in.wire_type() != pbf_wire_type::length_delimited) {
    Number one{};
    if (!read(in, one)) return false;
    out.push_back(one);
    return true;
  }
  if constexpr (std::is_same_v<Number, float>) {
    const auto range = in.get_packed_float();
    out.insert(out.end(), range.begin(), range.end());
  } else if constexpr (std::is_same_v<Number, double>) {
    const auto range = in.get_packed_double();
    out.insert(out.end(), range.begin(), range.end());
  } else {
    for (const std::int64_t value : in.get_packed_int64()) out.push_back(static_cast<Number>(value));
  }
  return true;
}

// Counts a field of which only the presence matters.
bool count(pbf_reader& in, int& out) {
  in.skip();
  ++out;
  return true;
}

bool take(pbf_reader& in, TensorProto& tensor);
bool take(pbf_reader& in, AttributeProto& attribute);
bool take(pbf_reader& in, NodeProto& node);
bool take(pbf_reader& in, ValueInfoProto& value);
bool take(pbf_reader& in, GraphProto& graph);
bool take(pbf_reader& in, OperatorSetIdProto& set);
bool take(pbf_reader& in, StringStringEntryProto& entry);
bool take(pbf_reader& in, ModelProto& model);
bool take(pbf_reader& in, std::vector<StringStringEntryProto>& metadata);

// All fields of a message into `out`, over what is there: a message that comes in parts is merged.
template <class Message>
void merge(pbf_reader in, Message& out) {
  while (in.next()) {
    if (!take(in, out)) in.skip();
  }
}

template <class Message>
bool message(pbf_reader& in, Message& out) {
  if (in.wire_type() != pbf_wire_type::length_delimited) return false;
  merge(in.get_message(), out);
  return true;
}

template <class Message>
bool message(pbf_reader& in, std::optional<Message>& out) {
  if (in.wire_type() != pbf_wire_type::length_delimited) return false;
  if (!out) out.emplace();
  return message(in, *out);
}

template <class Message>
bool message(pbf_reader& in, std::vector<Message>& out) {
  return in.wire_type() == pbf_wire_type::length_delimited && message(in, out.emplace_back());
}

// The fields of a message within a message that has no struct of its own: take(in) for each.
template <class Take>
bool fields(pbf_reader& in, const Take& take_field) {
  if (in.wire_type() != pbf_wire_type::length_delimited) return false;
  pbf_reader inner = in.get_message();
  while (inner.next()) {
    if (!take_field(inner)) inner.skip();
  }
  return true;
}

bool take(pbf_reader& in, TensorProto& tensor) {
  switch (in.tag()) {
    case 1:
      return read(in, tensor.dims);
    case 2:
      return read(in, tensor.data_type);
    case 3:
      return in.skip(), tensor.segment = true;
    case 4:
      return read(in, tensor.float_data);
    case 5:
      return read(in, tensor.int32_data);
    case 7:
      return read(in, tensor.int64_data);
    case 8:
      return read(in, tensor.name);
    case 9:
      return read(in, tensor.raw_data);
    case 10:
      return read(in, tensor.double_data);
    case 11:
      return read(in, tensor.uint64_data);
    case 13:
      return read(in, tensor.external_data);
    case 14:
      return read(in, tensor.data_location);
    default:
      return false;
  }
}

bool take(pbf_reader& in, AttributeProto& attribute) {
  switch (in.tag()) {
    case 1:
      return read(in, attribute.name);
    case 2:
      return read(in, attribute.f);
    case 3:
      return read(in, attribute.i);
    case 4:
      return read(in, attribute.s);
    case 5:
      return message(in, attribute.t);
    case 7:
      return read(in, attribute.floats);
    case 8:
      return read(in, attribute.ints);
    case 20:
      return read(in, attribute.type);
    case 21:
      return read(in, attribute.ref_attr_name);
    default:
      return false;
  }
}

bool take(pbf_reader& in, NodeProto& node) {
  switch (in.tag()) {
    case 1:
      return read(in, node.input);
    case 2:
      return read(in, node.output);
    case 3:
      return read(in, node.name);
    case 4:
      return read(in, node.op_type);
    case 5:
      return message(in, node.attribute);
    case 7:
      return read(in, node.domain);
    default:
      return false;
  }
}

// TypeProto.tensor_type (1) holds elem_type (1) and shape (2), a list of dimensions (1): a value (1) or a name (2).
bool take_shape(pbf_reader& in, ValueInfoProto& value) {
  if (!value.shape) value.shape.emplace();
  return fields(in, [&](pbf_reader& shape) {
    return shape.tag() == 1 && fields(shape, [dim = &value.shape->emplace_back()](pbf_reader& field) {
             if (field.tag() == 1) return read(field, dim->dim_value);
             return field.tag() == 2 && read(field, dim->dim_param);
           });
  });
}

bool take(pbf_reader& in, ValueInfoProto& value) {
  if (in.tag() == 1) return read(in, value.name);
  if (in.tag() != 2) return false;
  return fields(in, [&](pbf_reader& type) {
    if (type.tag() != 1) return false;
    value.tensor = true;
    return fields(type, [&](pbf_reader& tensor) {
      if (tensor.tag() == 1) return read(tensor, value.elem_type);
      return tensor.tag() == 2 && take_shape(tensor, value);
    });
  });
}

bool take(pbf_reader& in, GraphProto& graph) {
  switch (in.tag()) {
    case 1:
      return message(in, graph.node);
    case 2:
      return read(in, graph.name);
    case 5:
      return message(in, graph.initializer);
    case 11:
      return message(in, graph.input);
    case 12:
      return message(in, graph.output);
    case 15:
      return count(in, graph.sparse_initializers);
    default:
      return false;
  }
}

bool take(pbf_reader& in, OperatorSetIdProto& set) {
  if (in.tag() == 1) return read(in, set.domain);
  return in.tag() == 2 && read(in, set.version);
}

bool take(pbf_reader& in, StringStringEntryProto& entry) {
  if (in.tag() == 1) return read(in, entry.key);
  return in.tag() == 2 && read(in, entry.value);
}

bool take(pbf_reader& in, ModelProto& model) {
  switch (in.tag()) {
    case 1:
      return read(in, model.ir_version);
    case 2:
      return read(in, model.producer_name);
    case 7:
      return message(in, model.graph);
    case 8:
      return message(in, model.opset_import);
    case 14:
      return message(in, model.metadata_props);
    case 25:
      return count(in, model.functions);
    default:
      return false;
  }
}

bool take(pbf_reader& in, std::vector<StringStringEntryProto>& metadata) {
  return in.tag() == 14 && message(in, metadata);
}

template <class Message>
Message parse(std::string_view bytes) {
  UNRECT_REQUIRE(bytes.size() <= kMostBytes, ErrorCode::kFormat, "{} bytes, expected at most 2 GiB", bytes.size());
  Message out;
  try {
    merge(pbf_reader(bytes.data(), bytes.size()), out);
  } catch (const protozero::exception&) {
    throw Error(ErrorCode::kFormat, "is not an ONNX model, or a damaged one");
  }
  return out;
}

// ---- writing ----

void put(pbf_writer& out, const TensorProto& tensor);
void put(pbf_writer& out, const AttributeProto& attribute);
void put(pbf_writer& out, const NodeProto& node);
void put(pbf_writer& out, const Dimension& dimension);
void put(pbf_writer& out, const ValueInfoProto& value);
void put(pbf_writer& out, const GraphProto& graph);
void put(pbf_writer& out, const OperatorSetIdProto& set);
void put(pbf_writer& out, const StringStringEntryProto& entry);

template <class Message>
void write(pbf_writer& out, protozero::pbf_tag_type tag, const Message& message) {
  pbf_writer inner(out, tag);
  put(inner, message);
}

void add(pbf_writer& out, protozero::pbf_tag_type tag, const std::string& text) {
  if (!text.empty()) out.add_string(tag, text);
}

void put(pbf_writer& out, const TensorProto& tensor) {
  for (const std::int64_t dim : tensor.dims) out.add_int64(1, dim);
  out.add_int32(2, tensor.data_type);
  add(out, 8, tensor.name);
  if (tensor.raw_data) out.add_bytes(9, *tensor.raw_data);
  if (!tensor.float_data.empty()) out.add_packed_float(4, tensor.float_data.begin(), tensor.float_data.end());
  if (!tensor.int32_data.empty()) out.add_packed_int32(5, tensor.int32_data.begin(), tensor.int32_data.end());
  if (!tensor.int64_data.empty()) out.add_packed_int64(7, tensor.int64_data.begin(), tensor.int64_data.end());
  if (!tensor.double_data.empty()) out.add_packed_double(10, tensor.double_data.begin(), tensor.double_data.end());
  if (!tensor.uint64_data.empty()) out.add_packed_uint64(11, tensor.uint64_data.begin(), tensor.uint64_data.end());
  if (tensor.segment) out.add_bytes(3, "");
  for (const std::string& entry : tensor.external_data) out.add_bytes(13, entry);
  if (tensor.data_location != 0) out.add_int32(14, tensor.data_location);
}

void put(pbf_writer& out, const AttributeProto& attribute) {
  add(out, 1, attribute.name);
  if (attribute.f) out.add_float(2, *attribute.f);
  if (attribute.i) out.add_int64(3, *attribute.i);
  if (attribute.s) out.add_bytes(4, *attribute.s);
  if (attribute.t) write(out, 5, *attribute.t);
  for (const float value : attribute.floats) out.add_float(7, value);
  for (const std::int64_t value : attribute.ints) out.add_int64(8, value);
  if (attribute.type != AttributeProto::UNDEFINED) out.add_int32(20, attribute.type);
  add(out, 21, attribute.ref_attr_name);
}

void put(pbf_writer& out, const NodeProto& node) {
  for (const std::string& name : node.input) out.add_string(1, name);  // an empty one is an input left out
  for (const std::string& name : node.output) out.add_string(2, name);
  add(out, 3, node.name);
  add(out, 4, node.op_type);
  for (const AttributeProto& attribute : node.attribute) write(out, 5, attribute);
  add(out, 7, node.domain);
}

void put(pbf_writer& out, const Dimension& dimension) {
  if (dimension.dim_value) {
    out.add_int64(1, *dimension.dim_value);
  } else {
    add(out, 2, dimension.dim_param);
  }
}

void put(pbf_writer& out, const ValueInfoProto& value) {
  add(out, 1, value.name);
  pbf_writer type(out, 2);
  if (!value.tensor) return;
  pbf_writer tensor(type, 1);
  tensor.add_int32(1, value.elem_type);
  if (!value.shape) return;
  pbf_writer shape(tensor, 2);
  for (const Dimension& dimension : *value.shape) write(shape, 1, dimension);
}

void put(pbf_writer& out, const GraphProto& graph) {
  for (const NodeProto& node : graph.node) write(out, 1, node);
  add(out, 2, graph.name);
  for (const TensorProto& tensor : graph.initializer) write(out, 5, tensor);
  for (const ValueInfoProto& value : graph.input) write(out, 11, value);
  for (const ValueInfoProto& value : graph.output) write(out, 12, value);
  for (int i = 0; i < graph.sparse_initializers; ++i) out.add_bytes(15, "");
}

void put(pbf_writer& out, const OperatorSetIdProto& set) {
  add(out, 1, set.domain);
  out.add_int64(2, set.version);
}

void put(pbf_writer& out, const StringStringEntryProto& entry) {
  add(out, 1, entry.key);
  add(out, 2, entry.value);
}

}  // namespace

ModelProto parse_model(std::string_view bytes) { return parse<ModelProto>(bytes); }

std::vector<StringStringEntryProto> parse_metadata(std::string_view bytes) {
  return parse<std::vector<StringStringEntryProto>>(bytes);
}

std::string serialize(const ModelProto& model) {
  std::string bytes;
  pbf_writer out(bytes);
  out.add_int64(1, model.ir_version);
  add(out, 2, model.producer_name);
  if (model.graph) write(out, 7, *model.graph);
  for (const OperatorSetIdProto& set : model.opset_import) write(out, 8, set);
  for (const StringStringEntryProto& entry : model.metadata_props) write(out, 14, entry);
  for (int i = 0; i < model.functions; ++i) out.add_bytes(25, "");
  UNRECT_REQUIRE(bytes.size() <= kMostBytes, ErrorCode::kInvalidArgument,
                 "the network makes an .onnx of more than 2 GiB");
  return bytes;
}

}  // namespace unrect::onnx
