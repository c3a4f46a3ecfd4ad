#include "unrect/network/network_file.hpp"

#include <fmt/format.h>

#include <vector>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"

namespace unrect {
namespace {

/// W0, b0, W1, b1, … of a fully connected ReLU network. @throws Error kInvalidArgument for any other graph.
ArrayMap chain_arrays(const Network& network) {
  std::vector<const Dense*> layers;  // from the last to the first
  bool affine = true;                // what a node has to be, on the way back from the output to the input
  for (int at = network.output(); at != 0; at = network.node(at).inputs[0], affine = !affine) {
    const Op& op = *network.node(at).op;
    const auto* dense = std::get_if<Dense>(&op);
    const auto* rectifier = std::get_if<Piecewise>(&op);
    UNRECT_REQUIRE(affine ? dense != nullptr : rectifier != nullptr && rectifier->is_relu(),
                   ErrorCode::kInvalidArgument,
                   "node '{}' ({}): an .npz holds fully connected ReLU networks only; write an .onnx",
                   network.node(at).name, name_of(op));
    if (affine) layers.push_back(dense);
  }
  UNRECT_REQUIRE(!affine, ErrorCode::kInvalidArgument,
                 "the network does not start with a fully connected layer; write an .onnx");
  ArrayMap arrays;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Dense& layer = *layers[layers.size() - 1 - i];
    arrays[fmt::format("W{}", i)] = Array::from(layer.weight);
    arrays[fmt::format("b{}", i)] = Array::from(layer.bias);
  }
  return arrays;
}

}  // namespace

Network parse_npz_network(std::string_view bytes, std::string_view name) {
  const ArrayMap arrays = parse_npz(bytes, name);
  std::vector<Matrix> weights;
  std::vector<Vector> biases;
  for (std::size_t layer = 0; 2 * layer < arrays.size(); ++layer) {
    const auto weight = arrays.find(fmt::format("W{}", layer)), bias = arrays.find(fmt::format("b{}", layer));
    UNRECT_REQUIRE(weight != arrays.end() && bias != arrays.end(), ErrorCode::kFormat,
                   "{}: expected the {} arrays to be W0, b0, W1, b1, …, but W{} or b{} is missing", name, arrays.size(),
                   layer, layer);
    UNRECT_REQUIRE(weight->second.shape.size() == 2 && bias->second.shape.size() == 1, ErrorCode::kFormat,
                   "{}: W{} has {} axes and b{} {}, expected 2 and 1", name, layer, weight->second.shape.size(), layer,
                   bias->second.shape.size());
    weights.push_back(weight->second.to_matrix(name));
    biases.push_back(bias->second.to_vector());
  }
  UNRECT_REQUIRE(!weights.empty(), ErrorCode::kFormat, "{}: no arrays, expected W0, b0, W1, b1, …", name);
  try {
    return Network::chain(weights, biases);
  } catch (const Error& error) {
    throw Error(ErrorCode::kFormat, fmt::format("{}: {}", name, error.what()));
  }
}

Network read_network(const std::filesystem::path& path, const ImportOptions& options) {
  const bool zipped = path.extension() == ".gz";
  const std::string extension = zipped ? path.stem().extension().string() : path.extension().string();
  UNRECT_REQUIRE(extension == ".onnx" || extension == ".npz", ErrorCode::kInvalidArgument,
                 "{}: extension '{}', expected .onnx or .npz, with or without .gz", path.string(), extension);
  const std::string bytes = zipped ? gunzip(read_file(path), path.string()) : read_file(path);
  return extension == ".npz" ? parse_npz_network(bytes, path.string()) : parse_onnx(bytes, path.string(), options);
}

void write_network(const std::filesystem::path& path, const Network& network, ExportPrecision precision,
                   const Metadata& metadata) {
  const std::string extension = path.extension().string();
  UNRECT_REQUIRE(extension == ".onnx" || extension == ".npz", ErrorCode::kInvalidArgument,
                 "{}: extension '{}', expected .onnx or .npz", path.string(), extension);
  if (extension == ".npz") {
    write_npz(path, chain_arrays(network));
  } else {
    write_file(path, format_onnx(network, precision, metadata));
  }
}

}  // namespace unrect
