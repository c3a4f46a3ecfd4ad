#include "unrect/learn/train.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "unrect/base/error.hpp"
#include "unrect/base/team.hpp"
#include "unrect/learn/chain.hpp"
#include "unrect/learn/pass.hpp"
#include "unrect/learn/trainer.hpp"

namespace unrect {
namespace {

struct Named {
  Method method;
  std::string_view name;
  double rate;
};
constexpr Named kMethods[] = {
    {Method::kFeasibleAl, "feasible-al", 0.1}, {Method::kAdam, "adam", 1e-3}, {Method::kSgd, "sgd", 0.05}};

const Named& entry(Method method) {
  return *std::ranges::find_if(kMethods, [&](const Named& named) { return named.method == method; });
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
  return lipschitz > 0 ? 1 : layers > 3 ? 0.06 : entry(method).rate;
}

double TrainOptions::damping_of() const { return damping > 0 ? damping : lipschitz > 0 ? 30 : 0.3; }

void TrainOptions::validate() const {
  const auto require = [](bool good, std::string_view name, double value, std::string_view expected) {
    UNRECT_REQUIRE(good, ErrorCode::kInvalidArgument, "{} is {}; expected {}", name, value, expected);
  };
  require(epochs >= 1, "epochs", epochs, "at least 1");
  require(batch >= 1, "batch", static_cast<double>(batch), "at least 1");
  require(rate >= 0 && std::isfinite(rate), "rate", rate, "a number > 0, or 0 for the method's own");
  require(warm_up >= 0, "warm_up", warm_up, "at least 0");
  require(momentum >= 0 && momentum < 1, "momentum", momentum, "at least 0 and below 1");
  require(damping == 0 || (damping >= 0.02 && std::isfinite(damping)), "damping", damping,
          "at least 0.02, or 0 for the method's own");
  require(trust >= 0 && std::isfinite(trust), "trust", trust, "at least 0");
  require(decay >= 0 && std::isfinite(decay), "decay", decay, "at least 0");
  require(groups >= 1 && groups <= 1024, "groups", groups, "1 … 1024");
  require(patience >= 0, "patience", patience, "at least 0");
  require(lipschitz >= 0 && std::isfinite(lipschitz), "lipschitz", lipschitz, "at least 0");
  require(loss.delta > 0 && std::isfinite(loss.delta), "delta", loss.delta, "above 0");
}

TrainResult train(const Network& start, const Samples& samples, const Samples& validation, const TrainOptions& options,
                  const Context& context, const Ranks& ranks, const Watch& watch) {
  options.validate();
  const auto fits = [&](const Samples& s, std::string_view name) {
    check(s, name);
    UNRECT_REQUIRE(s.inputs.cols() == start.input_size() && s.targets.cols() == start.output_size(),
                   ErrorCode::kInvalidArgument,
                   "{}: inputs of {} and targets of {} values for a network of {} inputs and {} outputs", name,
                   s.inputs.cols(), s.targets.cols(), start.input_size(), start.output_size());
  };
  fits(samples, "training set");
  if (validation.size() > 0) fits(validation, "validation set");
  // Spectral norms are kept in bounds for matrices alone.
  if (options.lipschitz > 0) to_chain(start);
  return Trainer(start, samples, validation, options, context, ranks).run(watch);
}

Score score(const Network& network, const Samples& samples, const Loss& kind, const Context& context) {
  check(samples, "samples");
  const Model model(network);
  const FloatVector weights = model.weights();
  constexpr Index kRows = 250;
  const int blocks = static_cast<int>((samples.size() + kRows - 1) / kRows);
  std::vector<Score> sums(static_cast<std::size_t>(blocks));
  Team team(context.threads);
  std::vector<Pass> passes;
  // A thread's tasks follow one another: as many passes as threads, blocks dealt out in turn.
  const int threads = std::max(1, std::min(context.threads, blocks));
  for (int i = 0; i < threads; ++i) passes.emplace_back(model, std::min(kRows, samples.size()));
  team.run(threads, [&](int thread) {
    Pass& pass = passes[static_cast<std::size_t>(thread)];
    std::vector<Index> rows(static_cast<std::size_t>(pass.rows()));
    FloatMatrix unused(pass.rows(), samples.targets.cols());
    for (int b = thread; b < blocks; b += threads) {
      const Index begin = b * kRows;
      const Index count = std::min(kRows, samples.size() - begin);
      for (Index i = 0; i < pass.rows(); ++i) rows[static_cast<std::size_t>(i)] = begin + std::min(i, count - 1);
      pass.load(samples.inputs, rows);
      const FloatRef y = pass.forward(weights.data()).topRows(count);
      const FloatRef x = samples.targets.middleRows(begin, count);
      Score& sum = sums[static_cast<std::size_t>(b)];
      sum.loss = loss<float>(kind, y, x, unused.topRows(count));
      sum.squared_error = squared_error(y, x);
      for (Index i = 0; i < count; ++i) {
        Index ours = 0, theirs = 0;
        y.row(i).maxCoeff(&ours);
        x.row(i).maxCoeff(&theirs);
        sum.accuracy += ours == theirs ? 1 : 0;
      }
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

}  // namespace unrect
