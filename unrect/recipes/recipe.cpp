#include "unrect/recipes/recipe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "unrect/base/error.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/sensing/consistency.hpp"

namespace unrect {
namespace {

// Of FeasibleAl: held out best on MNIST of what was tried, not on all tasks. With its other defaults it learns images
// by heart within an epoch or two.
constexpr double kDecay = 1e-3, kClassDamping = 10, kClassRate = 1, kDeepClassRate = 0.3;
constexpr Index kDeep = 3;  // layers; with more of them classes have kDeepClassRate

// Of FeasibleAl on images, few large samples: what trainings of 900 and of 3,000 steps at 10 and 25 % were found to
// need: the more steps there are, the shorter, so that their noise adds up to as much whatever their number.
constexpr Index kImageBatch = 4;
constexpr double kImageRate = 0.4, kImageDamping = 0.05, kImageTrust = 0.3, kMostImageTrust = 0.05;

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

UsualOptions usual_options(const Situation& s) {
  UsualOptions usual;
  if (s.images) usual.batch = kImageBatch;
  if (s.method != Method::kFeasibleAl) return usual;
  if (s.images) {
    usual.rate = kImageRate;
    usual.damping = kImageDamping;
    usual.trust = std::min(kMostImageTrust, kImageTrust / std::sqrt(s.steps));
  }
  if (s.budget) return usual;
  const bool classes = s.task == LearningTask::kClassify;
  if (classes) {
    usual.rate = s.layers > kDeep ? kDeepClassRate : kClassRate;
    usual.damping = kClassDamping;
  }
  // What recoveries of digits from few measurements were found to need, unless samples are ever new: without it the fit
  // goes on past the best test loss.
  if (classes || (s.task == LearningTask::kRecovery && !s.renewed)) usual.decay = kDecay;
  return usual;
}

std::string_view RecipeOptions::otherwise(std::string_view field) {
  static const auto words = [] {
    const UsualOptions plain, images = usual_options({.images = true, .renewed = true});
    const UsualOptions classes = usual_options({.task = LearningTask::kClassify});
    const UsualOptions deep = usual_options({.task = LearningTask::kClassify, .layers = kDeep + 1});
    return std::map<std::string_view, std::string>{
        {"batch", fmt::format("{}; images: {}", plain.batch, images.batch)},
        {"rate", fmt::format("the method's own; by feasible-al for classify, unless δ is given, {}, beyond {} layers "
                             "{}; for images, unless κ is 0, {}",
                             classes.rate, kDeep, deep.rate, images.rate)},
        {"damping", fmt::format("{}; classify, unless η is given: {}; images, unless κ is 0: {}",
                                TrainOptions::otherwise("damping"), classes.damping, images.damping)},
        {"trust", fmt::format("{}; images: {}/√steps, at most {}", plain.trust, kImageTrust, kMostImageTrust)},
        {"decay", fmt::format("{}; by feasible-al, without a budget, {} for classify and for recovery of samples that "
                              "stay the same",
                              plain.decay, classes.decay)}};
  }();
  return words.at(field);
}

Recipe recipe_for(const DataRequest& request, const TrainingData& data, const RecipeOptions& wishes) {
  validate(wishes);
  check(request, data, wishes);
  Recipe recipe{start_of(request, data, wishes), wishes.train};
  TrainOptions& own = recipe.options;
  Situation situation{.task = request.task,
                      .method = own.method,
                      .images = data.images.has_value(),
                      .renewed = static_cast<bool>(data.renew),
                      .budget = own.lipschitz > 0,
                      .layers = learned_layers(recipe.start)};
  own.batch = wishes.batch.value_or(data.images ? usual_options(situation).batch : own.batch);
  situation.steps = static_cast<double>(own.epochs * std::max<Index>(1, data.train.size() / own.batch));
  const UsualOptions usual = usual_options(situation);
  own.trust = wishes.trust.value_or(usual.trust);
  own.decay = wishes.decay.value_or(usual.decay);
  if (data.images ? own.trust > 0 : own.rate == 0 && own.damping == 0) {
    if (own.rate == 0) own.rate = usual.rate;
    if (own.damping == 0) own.damping = usual.damping;
  }
  own.loss = wishes.log_scale > 0 ? Loss{Loss::Kind::kLogSquared, wishes.log_scale} : data.loss;
  own.renew = data.renew;
  own.warm_start = !request.start.empty();
  if (data.images) {
    own.relay = data.images->relay;
    own.fixed = data.images->network.fixed;
  } else if (request.task == LearningTask::kRecovery) {
    own.fixed = consistency_nodes(recipe.start, data.sensing);
  }
  return recipe;
}

}  // namespace unrect
