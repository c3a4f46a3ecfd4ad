#include "unrect/recipes/recipe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "unrect/base/error.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/sensing/consistency.hpp"

namespace unrect {
namespace {

// Of FeasibleAl: held out best on MNIST of what was tried, not on all tasks. With its other defaults it learns images
// by heart within an epoch or two.
constexpr double kDecay = 1e-3, kClassDamping = 10, kClassRate = 1, kDeepClassRate = 0.3;

constexpr std::uint64_t kWeightStream = 10;  // of the seed

Network start_of(const DataRequest& request, const TrainingData& data, const RecipeOptions& wishes) {
  if (data.images) return data.images->network.network;
  const Index inputs = data.train.inputs.cols(), outputs = data.train.targets.cols();
  if (!request.start.empty()) {
    Network start = read_network(request.start, {.fold = false});
    UNRECT_REQUIRE(start.input_size() == inputs && start.output_size() == outputs, ErrorCode::kInvalidArgument,
                   "{}: a network {} → {} to start from; the samples are {} → {}", request.start.string(),
                   start.input_size(), start.output_size(), inputs, outputs);
    return start;
  }
  std::vector<Index> widths{inputs};
  widths.insert(widths.end(), wishes.layers.begin(), wishes.layers.end());
  widths.push_back(outputs);
  Vector bias = data.train.targets.colwise().mean().cast<double>().transpose();
  // The logarithms of the classes' shares: the best constant answer.
  if (data.loss.kind == Loss::Kind::kCrossEntropy) bias = bias.cwiseMax(1e-6).array().log();
  const bool relu_output = data.relu_output && !wishes.linear_output && wishes.consistency == 0;
  const Network chain = to_network(initial_chain(widths, bias, relu_output, Rng(request.seed).split(kWeightStream)));
  return wishes.consistency > 0 ? consistent(chain, data.sensing, wishes.consistency) : chain;
}

void check(const DataRequest& request, const TrainingData& data, const RecipeOptions& wishes) {
  const Method method = wishes.train.method;
  UNRECT_REQUIRE(!data.renew || (method != Method::kLbfgs && method != Method::kExplicitAl),
                 ErrorCode::kInvalidArgument,
                 "augmented samples, and recovery of images: new samples in every epoch go with methods of "
                 "mini-batches, not with {}",
                 name_of(method));
  UNRECT_REQUIRE(wishes.log_scale >= 0 && std::isfinite(wishes.log_scale), ErrorCode::kInvalidArgument,
                 "a logarithmic loss of scale {}; expected > 0", wishes.log_scale);
  UNRECT_REQUIRE(wishes.log_scale == 0 || data.loss.kind == Loss::Kind::kSquared, ErrorCode::kInvalidArgument,
                 "a logarithmic loss goes with recovery and regression");
  UNRECT_REQUIRE(wishes.consistency == 0 || (request.task == LearningTask::kRecovery && !data.images),
                 ErrorCode::kInvalidArgument,
                 "rounds of consistency go with recovery of MNIST's folder, digits and signals in files");
}

}  // namespace

Index learned_layers(const Network& network) {
  return std::ranges::count_if(network.nodes(), [](const Node& node) {
    return std::holds_alternative<Dense>(*node.op) || std::holds_alternative<Convolution>(*node.op);
  });
}

Recipe recipe_for(const DataRequest& request, const TrainingData& data, const RecipeOptions& wishes) {
  check(request, data, wishes);
  Recipe recipe{start_of(request, data, wishes), wishes.train};
  TrainOptions& own = recipe.options;
  const bool recovery = request.task == LearningTask::kRecovery;
  const bool metric = own.method == Method::kFeasibleAl;
  const bool classes = request.task == LearningTask::kClassify && metric && own.lipschitz == 0;
  // What recoveries of digits from few measurements were found to need, unless samples are ever new: without it the fit
  // goes on past the best test loss.
  const bool fixed_recovery = recovery && !data.renew && metric && own.lipschitz == 0;
  own.decay = wishes.decay.value_or(fixed_recovery || classes ? kDecay : 0);
  // They belong together: whoever chooses one has the method's own other one.
  if (classes && own.damping == 0 && own.rate == 0) {
    own.damping = kClassDamping;
    own.rate = learned_layers(recipe.start) <= 3 ? kClassRate : kDeepClassRate;
  }
  own.loss = wishes.log_scale > 0 ? Loss{Loss::Kind::kLogSquared, wishes.log_scale} : data.loss;
  // Images: few large samples. κ, δ and η are what trainings of 900 and of 3,000 steps at 10 and 25 % were found to
  // need: the more steps there are, the shorter, so that their noise adds up to as much whatever their number.
  own.batch = wishes.batch.value_or(data.images ? 4 : own.batch);
  const auto steps = static_cast<double>(own.epochs * std::max<Index>(1, data.train.size() / own.batch));
  own.trust = wishes.trust.value_or(data.images && metric ? std::min(0.05, 0.3 / std::sqrt(steps)) : 0);
  if (data.images && metric && own.trust > 0) {
    if (own.damping == 0) own.damping = 0.05;
    if (own.rate == 0) own.rate = 0.4;
  }
  own.renew = data.renew;
  own.warm_start = !request.start.empty();
  if (data.images) {
    own.relay = data.images->relay;
    own.fixed = data.images->network.fixed;
  } else if (recovery) {
    own.fixed = consistency_nodes(recipe.start, data.sensing);
  }
  return recipe;
}

}  // namespace unrect
