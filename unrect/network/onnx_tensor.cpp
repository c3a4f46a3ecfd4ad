#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/network/internal/onnx_graph.hpp"

namespace unrect::onnx {
namespace {

/// binary16 and bfloat16 as such, to be told apart from integers.
struct Half {
  std::uint16_t bits;
  explicit operator double() const { return from_half(bits); }
};
struct Brain {
  std::uint16_t bits;
  explicit operator double() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

[[noreturn]] void fail(const TensorProto& tensor, const std::string& what) {
  throw Error(ErrorCode::kFormat, fmt::format("tensor '{}': {}", tensor.name, what));
}

Shape shape_of(const TensorProto& tensor) {
  Shape shape(tensor.dims.size());
  std::ranges::transform(tensor.dims, shape.begin(), index_of);
  return shape;
}

/// Elements that the dims promise, no more than `available`.
Index promised(const TensorProto& tensor, std::size_t available) {
  const Shape shape = shape_of(tensor);
  Index count = 1;
  for (const Index extent : shape) {
    if (extent < 0) fail(tensor, fmt::format("dims {} hold a negative extent", to_string(shape)));
    // Past the data that are there it only matters whether a later extent is 0.
    count = extent != 0 && count > static_cast<Index>(available) / extent ? static_cast<Index>(available) + 1
                                                                          : count * extent;
  }
  if (count != static_cast<Index>(available)) {
    fail(tensor, fmt::format("{} elements of data, expected as many as dims {} have", available, to_string(shape)));
  }
  return count;
}

/// Reads raw_data as T, or else the typed field whose elements are converted to T.
template <class T, class Field>
Vector numbers(const TensorProto& tensor, const Field& field) {
  if (!tensor.raw_data) {
    Vector values(promised(tensor, static_cast<std::size_t>(field.size())));
    for (Index i = 0; i < values.size(); ++i) {
      if constexpr (std::is_class_v<T>) {
        values[i] = static_cast<double>(T{static_cast<std::uint16_t>(field[static_cast<std::size_t>(i)])});
      } else {
        values[i] = static_cast<double>(static_cast<T>(field[static_cast<std::size_t>(i)]));
      }
    }
    return values;
  }
  if (!field.empty()) fail(tensor, "data both raw and typed");
  const std::string& raw = *tensor.raw_data;
  if (raw.size() % sizeof(T) != 0) fail(tensor, fmt::format("{} bytes of data, not whole elements", raw.size()));
  Vector values(promised(tensor, raw.size() / sizeof(T)));
  for (Index i = 0; i < values.size(); ++i) {
    T element;
    std::memcpy(&element, raw.data() + sizeof(T) * i, sizeof(T));
    values[i] = static_cast<double>(element);
  }
  return values;
}

Vector numbers(const TensorProto& t) {
  switch (t.data_type) {
    case TensorProto::FLOAT:
      return numbers<float>(t, t.float_data);
    case TensorProto::DOUBLE:
      return numbers<double>(t, t.double_data);
    case TensorProto::FLOAT16:
      return numbers<Half>(t, t.int32_data);
    case TensorProto::BFLOAT16:
      return numbers<Brain>(t, t.int32_data);
    case TensorProto::INT8:
      return numbers<std::int8_t>(t, t.int32_data);
    case TensorProto::INT16:
      return numbers<std::int16_t>(t, t.int32_data);
    case TensorProto::INT32:
      return numbers<std::int32_t>(t, t.int32_data);
    case TensorProto::INT64:
      return numbers<std::int64_t>(t, t.int64_data);
    case TensorProto::BOOL:
    case TensorProto::UINT8:
      return numbers<std::uint8_t>(t, t.int32_data);
    case TensorProto::UINT16:
      return numbers<std::uint16_t>(t, t.int32_data);
    case TensorProto::UINT32:
      return numbers<std::uint32_t>(t, t.uint64_data);
    case TensorProto::UINT64:
      return numbers<std::uint64_t>(t, t.uint64_data);
    default:
      fail(t, fmt::format("elements of type {}, expected real numbers", type_name(t.data_type)));
  }
}

}  // namespace

std::string type_name(int type) {
  static constexpr std::string_view kNames[] = {"undefined", "float",  "uint8",     "int8",       "uint16",  "int16",
                                                "int32",     "int64",  "string",    "bool",       "float16", "double",
                                                "uint32",    "uint64", "complex64", "complex128", "bfloat16"};
  if (type < 0 || type >= std::ssize(kNames)) return std::to_string(type);
  return std::string(kNames[type]);
}

bool is_float_type(int type) {
  return type == TensorProto::FLOAT || type == TensorProto::DOUBLE || type == TensorProto::FLOAT16 ||
         type == TensorProto::BFLOAT16;
}

bool is_real_type(int type) {
  return is_float_type(type) || (type >= TensorProto::UINT8 && type <= TensorProto::INT64) ||
         type == TensorProto::BOOL || type == TensorProto::UINT32 || type == TensorProto::UINT64;
}

Value read_tensor(const TensorProto& tensor) {
  if (tensor.data_location != 0 || !tensor.external_data.empty()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("tensor '{}': its data are in another file, expected them inside the model", tensor.name));
  }
  if (tensor.segment) fail(tensor, "only a segment of it is there");
  if (tensor.dims.size() > 64) fail(tensor, fmt::format("{} axes, expected at most 64", tensor.dims.size()));
  Value value;
  value.constant = std::make_shared<const Vector>(numbers(tensor));
  value.shape = shape_of(tensor);
  value.integer = !is_float_type(tensor.data_type);
  value.name = tensor.name;
  return value;
}

}  // namespace unrect::onnx
