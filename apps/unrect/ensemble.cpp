#include "ensemble.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "unrect/base/error.hpp"
#include "unrect/learn/pass.hpp"
#include "unrect/network/network_file.hpp"

namespace unrect::cli {

Ensemble::Ensemble(const std::vector<std::filesystem::path>& files, Index inputs, Index outputs,
                   const std::string& option)
    : outputs_(outputs) {
  for (const std::filesystem::path& file : files) {
    const Network network = read_network(file, {});
    UNRECT_REQUIRE(network.input_size() == inputs && network.output_size() == outputs, ErrorCode::kInvalidArgument,
                   "{} {}: {} → {}; expected {} → {}", option, file.string(), network.input_size(),
                   network.output_size(), inputs, outputs);
    networks_.emplace_back(network);
  }
}

MatrixOf<float> Ensemble::operator()(const MatrixOf<float>& inputs) const {
  MatrixOf<float> mean = MatrixOf<float>::Zero(inputs.rows(), outputs_);
  const float share = 1 / static_cast<float>(networks_.size());
  for (const Model& model : networks_) {
    const FloatVector weights = model.weights();
    Pass pass(model, std::min<Index>(500, inputs.rows()));
    for (Index begin = 0; begin < inputs.rows(); begin += pass.rows()) {
      const Index count = pass.load(inputs, begin);
      mean.middleRows(begin, count) += share * pass.forward(weights.data()).topRows(count);
    }
  }
  return mean;
}

}  // namespace unrect::cli
