// Networks in files: ONNX, and .npz with W0, b0, W1, b1, …
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "unrect/base/options.hpp"
#include "unrect/network/network.hpp"

namespace unrect {

struct ImportOptions {
  bool cut_softmax = false;
  bool fold = true;
  Index max_elements = Index{1} << 27;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.cut_softmax, {"cut_softmax", "drop a Softmax (LogSoftmax) that ends the network"});
    field(o.fold, {"fold", "merge affine chains (network/fold.hpp)"});
    field(o.max_elements,
          {"max_elements", "most weights, table entries and values of all nodes: a small file can ask for very much",
           at_least(1)});
  }
};

/// Reads .onnx or .npz, told by the extension, compressed by gzip if .gz follows it.
/// @throws Error kUnsupported naming node and op; kFormat or kFile naming the file, the place and what was expected.
Network read_network(const std::filesystem::path& path, const ImportOptions& options = {});

Network parse_onnx(std::string_view bytes, std::string_view name, const ImportOptions& options = {});
Network parse_npz_network(std::string_view bytes, std::string_view name);

/// kInt8: matrices and kernels as integers of 8 bits times a float32 factor an output (a
/// quarter of float32's bytes; an entry is off by up to 1/254 of its row's largest), the rest in float32.
enum class ExportPrecision { kInt8, kFloat32, kFloat64 };

/// What an ONNX file says about itself, free text by keys.
using Metadata = std::map<std::string, std::string>;
/// @throws Error kFormat as parse_onnx.
Metadata parse_onnx_metadata(std::string_view bytes, std::string_view name);

/// An ONNX model (opset 13) that computes the same function; its input has a symbolic batch axis.
std::string format_onnx(const Network& network, ExportPrecision precision, const Metadata& metadata = {});

/// Writes .onnx, or .npz (which keeps no metadata) when the network is a fully connected chain. @throws Error
/// kInvalidArgument for another extension.
void write_network(const std::filesystem::path& path, const Network& network,
                   ExportPrecision precision = ExportPrecision::kFloat64, const Metadata& metadata = {});

}  // namespace unrect
