#include "unrect/network/evaluate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "unrect/base/error.hpp"
#include "unrect/network/internal/kernels.hpp"

namespace unrect {
namespace {

// Samples are taken in blocks of at most this many elements of the widest value: bounded memory, warm caches.
constexpr Index kBlockElements = Index{1} << 20;

}  // namespace

template <class S>
std::vector<std::shared_ptr<const OpOf<S>>> converted_ops(const Network& network) {
  std::map<const Op*, std::shared_ptr<const OpOf<S>>> known;
  std::vector<std::shared_ptr<const OpOf<S>>> ops;
  for (const Node& node : network.nodes()) {
    std::shared_ptr<const OpOf<S>>& own = known[node.op.get()];
    if constexpr (std::is_same_v<S, double>) {
      own = node.op;
    } else {
      if (!own) own = std::make_shared<const OpOf<S>>(converted<S>(*node.op));
    }
    ops.push_back(own);
  }
  return ops;
}

template <class S>
Evaluator<S>::Evaluator(const Network& network)
    : network_(network), ops_(converted_ops<S>(network)), last_use_(network.nodes().size(), 0) {
  for (std::size_t i = 0; i < network.nodes().size(); ++i) {
    const Node& node = network.nodes()[i];
    for (const int input : node.inputs) last_use_[static_cast<std::size_t>(input)] = i;
    widest_ = std::max(widest_, node.size);
  }
  last_use_[static_cast<std::size_t>(network.output())] = network.nodes().size();
}

template <class S>
MatrixOf<S> Evaluator<S>::operator()(const MatrixRefOf<S>& samples) const {
  UNRECT_REQUIRE(samples.cols() == network_.input_size(), ErrorCode::kInvalidArgument,
                 "samples have {} columns, the network takes {} inputs", samples.cols(), network_.input_size());
  UNRECT_REQUIRE(samples.allFinite(), ErrorCode::kInvalidArgument, "samples hold a value that is not finite");
  MatrixOf<S> result(samples.rows(), network_.output_size());
  const Index block = std::max<Index>(1, kBlockElements / widest_);
  for (Index begin = 0; begin < samples.rows(); begin += block) {
    const Index count = std::min(block, samples.rows() - begin);
    std::vector<MatrixOf<S>> values(ops_.size());
    values[0] = samples.middleRows(begin, count);
    std::vector<const MatrixOf<S>*> inputs;
    for (std::size_t i = 1; i < ops_.size(); ++i) {
      inputs.clear();
      for (const int input : network_.nodes()[i].inputs) inputs.push_back(&values[static_cast<std::size_t>(input)]);
      values[i] = value<S>(*ops_[i], inputs);
      for (const int input : network_.nodes()[i].inputs) {
        const auto k = static_cast<std::size_t>(input);
        if (last_use_[k] == i) values[k].resize(0, 0);
      }
    }
    result.middleRows(begin, count) = values[static_cast<std::size_t>(network_.output())];
  }
  return result;
}

template std::vector<std::shared_ptr<const OpOf<float>>> converted_ops<float>(const Network&);
template std::vector<std::shared_ptr<const OpOf<double>>> converted_ops<double>(const Network&);
template class Evaluator<float>;
template class Evaluator<double>;

Vector evaluate(const Network& network, const VectorRef& x) {
  return Evaluator<double>(network)(x.transpose()).transpose();
}

}  // namespace unrect
