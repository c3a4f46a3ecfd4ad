#include "unrect/recipes/ensemble.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/base/internal/hash.hpp"
#include "unrect/network/mean.hpp"
#include "unrect/train/internal/model.hpp"
#include "unrect/train/internal/pass.hpp"

namespace unrect {

Metadata about_operator(const Matrix& phi) {
  Hash hash;
  hash.add(Matrix(phi.cast<float>().cast<double>()));  // as files keep it, and whatever a library's log and cos round
  return {{kPhi, fmt::format("{} × {}, {:016x}", phi.rows(), phi.cols(), hash.value())}};
}

Ensemble::Ensemble(const std::vector<std::filesystem::path>& files, const Matrix& phi) {
  std::vector<Network> networks;
  for (const std::filesystem::path& file : files) {
    const Network network = read_network(file, {});
    UNRECT_REQUIRE(network.input_size() == phi.rows() && network.output_size() == phi.cols(),
                   ErrorCode::kInvalidArgument, "{}: {} → {}; expected {} → {}", file.string(), network.input_size(),
                   network.output_size(), phi.rows(), phi.cols());
    if (file.extension() == ".onnx") {
      const Metadata says = parse_onnx_metadata(read_file(file), file.string());
      const auto trained_for = says.find(kPhi);
      const std::string own = about_operator(phi).at(kPhi);
      UNRECT_REQUIRE(trained_for == says.end() || trained_for->second == own, ErrorCode::kInvalidArgument,
                     "{}: trained for another operator ({}; this one is {})", file.string(), trained_for->second, own);
    }
    networks.push_back(network);
  }
  if (!networks.empty()) mean_ = std::make_shared<const Model>(mean(networks));
}

MatrixOf<float> Ensemble::operator()(const MatrixOf<float>& inputs) const {
  MatrixOf<float> answers(inputs.rows(), mean_->network().output_size());
  const FloatVector weights = mean_->weights();
  Pass pass(*mean_, std::min<Index>(500, inputs.rows()));
  for (Index begin = 0; begin < inputs.rows(); begin += pass.rows()) {
    const Index count = pass.load(inputs, begin);
    answers.middleRows(begin, count) = pass.forward(weights.data()).topRows(count);
  }
  return answers;
}

}  // namespace unrect
