#include <cstdlib>
#include <string_view>

#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/network_file.hpp"

namespace {

using unrect::Index;

double work(const unrect::Network& network) {
  double sum = 0;
  for (const unrect::Node& node : network.nodes()) {
    sum += static_cast<double>(node.size);
    if (const auto* dense = std::get_if<unrect::Dense>(node.op.get())) sum += static_cast<double>(dense->weight.size());
    if (const auto* conv = std::get_if<unrect::Convolution>(node.op.get())) {
      sum += static_cast<double>(node.size) * static_cast<double>(conv->kernel.cols());
    }
    if (const auto* max = std::get_if<unrect::Maximum>(node.op.get())) sum += static_cast<double>(max->index.size());
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  unrect::ImportOptions options;
  options.max_elements = 1 << 20;
  options.cut_softmax = true;
  options.fold = size % 2 == 0;
  try {
    const unrect::Network network = unrect::parse_onnx(bytes, "fuzz", options);
    if (work(network) > 1e5) return 0;
    const unrect::Vector y = unrect::evaluate(network, unrect::Vector::Zero(network.input_size()));
    if (y.size() != network.output_size()) std::abort();
    const std::string out = unrect::format_onnx(network, unrect::ExportPrecision::kFloat64);
    options.max_elements = 1 << 24;
    options.fold = false;
    const unrect::Network again = unrect::parse_onnx(out, "again", options);
    if (again.input_size() != network.input_size() || again.output_size() != network.output_size()) std::abort();
    if (again.input_shape() != network.input_shape() && !network.input_shape().empty()) std::abort();
  } catch (const unrect::Error& error) {
    const std::string_view message = error.what();
    if (message.find('\n') != std::string_view::npos) std::abort();
    // What was read and written must be read again.
    if (message.starts_with("again")) std::abort();
  }
  return 0;
}
