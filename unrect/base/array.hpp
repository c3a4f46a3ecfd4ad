// Arrays in files: numpy's .npy and .npz, and the IDX(.gz) of MNIST.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

enum class DType { kFloat32, kFloat64, kInt8, kInt16, kInt32, kInt64, kUInt8, kUInt16, kUInt32, kUInt64, kBool };

/// Bytes an element takes.
std::size_t size_of(DType type);
/// numpy's name: "float32", "int64", …
std::string_view name_of(DType type);
/// The value of an IEEE 754 binary16 number.
float from_half(std::uint16_t bits);

/// A dense n-dimensional array in C order, as it stands in a file: `bytes` holds product(shape) little-endian elements.
struct Array {
  DType type = DType::kFloat64;
  std::vector<Index> shape;
  std::string bytes;

  Index size() const;  // product of shape; 1 for a scalar

  /// Element values as double (64-bit integers over 2⁵³ are rounded), shape product × 1.
  Vector to_vector() const;
  /// A 2-D array as it is, a 1-D array as one row. @throws Error kFormat naming `name` for other shapes.
  Matrix to_matrix(std::string_view name) const;

  static Array from(const Matrix& matrix);
  static Array from(const Vector& vector);
  static Array from(const MatrixOf<float>& matrix);
  static Array from(const VectorOf<float>& vector);
  static Array from(const std::vector<std::int64_t>& values);
  static Array from(const std::vector<std::uint8_t>& values);
};

using ArrayMap = std::map<std::string, Array>;

/// Every parser takes bytes and a name for its messages, so that one can feed it memory. float16 becomes float32,
/// Fortran order C order, big endian little.
/// @throws Error kFormat naming the file and what was expected; never allocates more than the bytes justify.
Array parse_npy(std::string_view bytes, std::string_view name);
ArrayMap parse_npz(std::string_view bytes, std::string_view name);
/// IDX, gzip-compressed or not (told by its first bytes).
Array parse_idx(std::string_view bytes, std::string_view name);

Array read_npy(const std::filesystem::path& path);
ArrayMap read_npz(const std::filesystem::path& path);
Array read_idx(const std::filesystem::path& path);

std::string format_npy(const Array& array);
void write_npy(const std::filesystem::path& path, const Array& array);
/// A deflated .npz whose bytes depend on the content alone (fixed time stamps, sorted names).
/// @throws Error kInvalidArgument over 4 GB.
std::string format_npz(const ArrayMap& arrays);
void write_npz(const std::filesystem::path& path, const ArrayMap& arrays);

}  // namespace unrect
