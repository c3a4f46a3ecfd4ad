// write_exports FOLDER [NET.onnx…]
// Exports for export_test.py to load in onnxruntime: of random networks of every kind of node, and of the files given,
// folded and not, in every precision. NAME.onnx lies beside NAME.x.npy and NAME.y.npy, points a row and what unrect
// answers there; where NET.x.npy lies beside NET.onnx, those points. One line for each file that unrect refuses.
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/base/rng.hpp"
#include "unrect/network/evaluate.hpp"
#include "unrect/network/fold.hpp"
#include "unrect/network/internal/random_graph_for_tests.hpp"
#include "unrect/network/network_file.hpp"

namespace {

using namespace unrect;

/// Points that float32 has, as onnxruntime gets them; a few for whole pictures, which take their time.
Matrix points(Index inputs) {
  return Rng(1).normal_matrix(inputs > 4000 ? 2 : 20, inputs).cast<float>().cast<double>();
}

void write(const std::filesystem::path& folder, const std::string& name, const Network& network, const Matrix& x) {
  const auto keep = [&](const std::string& precision, const std::string& bytes, const Matrix& y) {
    const std::filesystem::path base = folder / fmt::format("{}.{}", name, precision);
    write_file(base.string() + ".onnx", bytes);
    write_npy(base.string() + ".x.npy", Array::from(x));
    write_npy(base.string() + ".y.npy", Array::from(y));
  };
  const auto single = [&](const Network& net) -> Matrix {
    const MatrixOf<float> narrow = x.cast<float>();
    return Evaluator<float>(net)(narrow).cast<double>();
  };
  keep("float64", format_onnx(network, ExportPrecision::kFloat64), Evaluator<double>(network)(x));
  keep("float32", format_onnx(network, ExportPrecision::kFloat32), single(network));
  const std::string narrow = format_onnx(network, ExportPrecision::kInt8);
  keep("int8", narrow, single(parse_onnx(narrow, name)));
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path folder = argv[1];
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Network network = random_graph(seed);
    write(folder, fmt::format("random_{}.plain", seed), network, points(network.input_size()));
    write(folder, fmt::format("random_{}.folded", seed), fold(network), points(network.input_size()));
  }
  for (int k = 2; k < argc; ++k) {
    const std::filesystem::path file = argv[k];
    try {
      const Network network = read_network(file, {.cut_softmax = true, .fold = false});
      std::filesystem::path given = file;
      given.replace_extension(".x.npy");
      const Matrix x =
          std::filesystem::exists(given) ? read_npy(given).to_matrix(given.string()) : points(network.input_size());
      write(folder, fmt::format("{}_{}.plain", k, file.stem().string()), network, x);
      write(folder, fmt::format("{}_{}.folded", k, file.stem().string()), fold(network), x);
    } catch (const Error& error) {
      fmt::print("{}\n", error.what());
    }
  }
}
