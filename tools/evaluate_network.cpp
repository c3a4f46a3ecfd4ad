// evaluate_network NET X.npy Y.npy [--float] [--no-fold] [--cut-softmax] [--export OUT.onnx]
// Y = M(X), one sample a row; prints one line: inputs, outputs, units. For tools/check_import.py.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/network_file.hpp"

int main(int argc, char** argv) {
  using unrect::Array;
  using unrect::MatrixOf;
  unrect::ImportOptions options;
  bool single = false;
  std::string out;
  std::vector<std::string> files;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--float") {
      single = true;
    } else if (arg == "--no-fold") {
      options.fold = false;
    } else if (arg == "--cut-softmax") {
      options.cut_softmax = true;
    } else if (arg == "--export" && i + 1 < argc) {
      out = argv[++i];
    } else {
      files.emplace_back(arg);
    }
  }
  if (files.size() != 3 && files.size() != 1) {
    std::fputs("evaluate_network NET [X.npy Y.npy] [--float] [--no-fold] [--cut-softmax] [--export OUT.onnx]\n",
               stderr);
    return 2;
  }
  try {
    const unrect::Network network = unrect::read_network(files[0], options);
    std::printf("%td %td %td\n", network.input_size(), network.output_size(), network.units());
    if (!out.empty()) {
      unrect::write_network(out, network,
                            single ? unrect::ExportPrecision::kFloat32 : unrect::ExportPrecision::kFloat64);
    }
    if (files.size() == 1) return 0;
    const unrect::Matrix samples = unrect::read_npy(files[1]).to_matrix(files[1]);
    unrect::Matrix values;
    if (single) {
      const MatrixOf<float> narrow = samples.cast<float>();
      values = unrect::Evaluator<float>(network)(narrow).cast<double>();
    } else {
      values = unrect::Evaluator<double>(network)(samples);
    }
    unrect::write_npy(files[2], Array::from(values));
  } catch (const unrect::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
