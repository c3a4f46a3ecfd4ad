#include "unrect/train/train.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/team.hpp"
#include "unrect/lifted/chain.hpp"
#include "unrect/train/internal/explicit_training.hpp"
#include "unrect/train/internal/pass.hpp"
#include "unrect/train/internal/trainer.hpp"

namespace unrect {
namespace {

struct Named {
  Method method;
  std::string_view name;
  double rate;
};
constexpr Named kMethods[] = {{Method::kFeasibleAl, "feasible-al", 0.1},
                              {Method::kGaussNewtonAl, "gauss-newton-al", 1},
                              {Method::kExplicitAl, "explicit-al", 0},
                              {Method::kAdam, "adam", 2e-3},
                              {Method::kSgd, "sgd", 0.05},
                              {Method::kLbfgs, "lbfgs", 1}};

// FeasibleAl's own: its rate for more layers than kDeep, and what a Lipschitz budget asks for.
constexpr Index kDeep = 3;
constexpr double kDeepRate = 0.06, kBudgetRate = 1, kDamping = 0.3, kBudgetDamping = 30;

const Named& entry(Method method) {
  return *std::ranges::find_if(kMethods, [&](const Named& named) { return named.method == method; });
}

void check_fit(const Samples& samples, const Network& network, std::string_view name) {
  check(samples, name);
  UNRECT_REQUIRE(samples.inputs.cols() == network.input_size() && samples.targets.cols() == network.output_size(),
                 ErrorCode::kInvalidArgument,
                 "{}: inputs of {} and targets of {} values for a network of {} inputs and {} outputs", name,
                 samples.inputs.cols(), samples.targets.cols(), network.input_size(), network.output_size());
}

}  // namespace

std::string_view name_of(Method method) { return entry(method).name; }

Method method_named(std::string_view name) {
  std::string all;
  for (const Named& named : kMethods) {
    if (named.name == name) return named.method;
    all += fmt::format("{}{}", all.empty() ? "" : ", ", named.name);
  }
  throw Error(ErrorCode::kInvalidArgument, fmt::format("method '{}'; expected one of {}", name, all));
}

double TrainOptions::rate_of(Index layers) const {
  if (rate > 0) return rate;
  if (method != Method::kFeasibleAl) return entry(method).rate;
  return lipschitz > 0 ? kBudgetRate : layers > kDeep ? kDeepRate : entry(method).rate;
}

double TrainOptions::damping_of() const { return damping > 0 ? damping : lipschitz > 0 ? kBudgetDamping : kDamping; }

std::string_view TrainOptions::otherwise(std::string_view field) {
  static const std::string rate = fmt::format(
      "the method's own: feasible-al {} ({} beyond {} layers, {} under a Lipschitz budget), adam {}, sgd {}",
      entry(Method::kFeasibleAl).rate, kDeepRate, kDeep, kBudgetRate, entry(Method::kAdam).rate,
      entry(Method::kSgd).rate);
  static const std::string damping = fmt::format("{}; {} under a Lipschitz budget", kDamping, kBudgetDamping);
  return field == "rate" ? rate : damping;
}

void TrainOptions::validate() const {
  unrect::validate(*this);
  UNRECT_REQUIRE(lipschitz == 0 || (method != Method::kGaussNewtonAl && method != Method::kLbfgs),
                 ErrorCode::kInvalidArgument, "lipschitz is {}; expected 0, no budget, for {}", lipschitz,
                 name_of(method));
}

TrainResult train(const Network& start, const Samples& samples, const Samples& validation, const TrainOptions& options,
                  const Context& context, const Ranks& ranks, const Watch& watch) {
  options.validate();
  check_fit(samples, start, "training set");
  if (validation.size() > 0) check_fit(validation, start, "validation set");
  UNRECT_REQUIRE(!options.relay || (options.renew && validation.size() == 0), ErrorCode::kInvalidArgument,
                 "a network that is laid out anew needs new samples for it, and no validation set");
  if (options.method == Method::kExplicitAl)
    return train_explicitly(start, samples, validation, options, context, ranks, watch);
  // Spectral norms are kept in bounds for matrices alone.
  if (options.lipschitz > 0) to_chain(start);
  return Trainer(start, samples, validation, options, context, ranks).run(watch);
}

namespace {

constexpr Index kBlockRows = 250;
constexpr Index kBlockValues = Index{1} << 26;  // of all nodes: a pass over images must fit into memory

Index block_rows(const Network& network, const Samples& samples) {
  Index values = 0;
  for (const Node& node : network.nodes()) values += node.size;
  return std::clamp<Index>(kBlockValues / values, 1, std::min(kBlockRows, samples.size()));
}

std::size_t blocks_of(const Network& network, const Samples& samples) {
  const Index rows = block_rows(network, samples);
  return static_cast<std::size_t>((samples.size() + rows - 1) / rows);
}

// Runs a network over all samples in blocks; `visit` gets the block's number, its pass after forward(), its first row
// and how many rows count. A block is one thread's alone.
void for_each_block(const Model& model, const Samples& samples, int threads,
                    const std::function<void(Index block, const Pass&, const FloatRef& outputs, Index begin)>& visit) {
  const FloatVector weights = model.weights();
  const Index rows = block_rows(model.network(), samples);
  const auto blocks = static_cast<Index>(blocks_of(model.network(), samples));
  const int used = static_cast<int>(std::min<Index>(std::max(1, threads), blocks));
  std::vector<Pass> passes;
  for (int i = 0; i < used; ++i) passes.emplace_back(model, rows);
  Team(used).run(used, [&](int thread) {
    Pass& pass = passes[static_cast<std::size_t>(thread)];
    for (Index b = thread; b < blocks; b += used) {
      const Index begin = b * rows;
      const Index count = pass.load(samples.inputs, begin);
      visit(b, pass, pass.forward(weights.data()).topRows(count), begin);
    }
  });
}

}  // namespace

Score score(const Network& network, const Samples& samples, const Loss& kind, const Context& context) {
  check_fit(samples, network, "samples");
  std::vector<Score> sums(blocks_of(network, samples));
  for_each_block(Model(network), samples, context.threads,
                 [&](Index block, const Pass&, const FloatRef& y, Index begin) {
                   const FloatRef x = samples.targets.middleRows(begin, y.rows());
                   FloatMatrix gradient(y.rows(), y.cols());
                   Score& sum = sums[static_cast<std::size_t>(block)];
                   sum.loss = loss<float>(kind, y, x, gradient);
                   sum.squared_error = squared_error(y, x);
                   for (Index i = 0; i < y.rows(); ++i) {
                     Index ours = 0, theirs = 0;
                     y.row(i).maxCoeff(&ours);
                     x.row(i).maxCoeff(&theirs);
                     sum.accuracy += ours == theirs ? 1 : 0;
                   }
                 });
  Score result;
  for (const Score& sum : sums) {
    result.loss += sum.loss;
    result.squared_error += sum.squared_error;
    result.accuracy += sum.accuracy;
  }
  const double n = static_cast<double>(samples.size());
  result.loss /= n;
  result.squared_error /= n * static_cast<double>(samples.targets.cols());
  result.accuracy /= n;
  return result;
}

std::vector<DeadUnits> dead_units(const Network& network, const Samples& samples, const Context& context) {
  check_fit(samples, network, "samples");
  const std::vector<int>& layers = network.layers();
  std::vector<std::vector<FloatVector>> tops(blocks_of(network, samples));
  for_each_block(Model(network), samples, context.threads, [&](Index block, const Pass& pass, const FloatRef&, Index) {
    for (const int node : layers)
      tops[static_cast<std::size_t>(block)].push_back(pass.value(node).colwise().maxCoeff().transpose());
  });
  std::vector<DeadUnits> result;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const auto* f = std::get_if<Piecewise>(network.node(layers[l]).op.get());
    if (f == nullptr || !f->is_relu() || layers[l] == network.output()) continue;
    FloatVector top = tops[0][l];
    for (const std::vector<FloatVector>& block : tops) top = top.cwiseMax(block[l]);
    result.push_back({static_cast<Index>(l), (top.array() <= 0).count(), top.size()});
  }
  return result;
}

}  // namespace unrect
