#include "unrect/train/internal/explicit_training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "unrect/base/error.hpp"
#include "unrect/lifted/explicit_al.hpp"

namespace unrect {

TrainResult train_explicitly(const Network& start, const Samples& samples, const Samples& validation,
                             const TrainOptions& options, const Context& context, const Ranks& ranks,
                             const Watch& watch) {
  const auto refuse = [](bool asked, std::string_view what) {
    UNRECT_REQUIRE(!asked, ErrorCode::kUnsupported, "explicit-al goes without {}", what);
  };
  refuse(!options.checkpoint.empty(), "checkpoints");
  refuse(options.lipschitz > 0, "a Lipschitz budget");
  refuse(options.patience > 0, "early stopping");
  refuse(!options.fixed.empty(), "nodes that keep their weights");
  refuse(options.renew || options.relay, "new samples");
  refuse(ranks.count > 1, "ranks");
  const double count = static_cast<double>(samples.size());
  ExplicitAlOptions own;
  own.objective = {options.loss, options.decay * count};  // its objective is a sum over samples
  own.max_outer = options.epochs;
  own.warm_start = options.warm_start;
  own.rounds = 1;
  // A step of the polish takes about samples × parameters² operations.
  own.polish_parameters = std::min<Index>(own.polish_parameters, 60000 / samples.size());
  // Maths 3.2: cold, a slow homotopy; warm, the penalty follows the loss's curvature from the start.
  if (options.warm_start) {
    own.rho = 1;
    own.rho_max = 1e4;
  }
  if (options.rate > 0) own.rho = options.rate;
  own.rho_max = std::max(own.rho_max, own.rho);
  std::vector<EpochLog> log;
  std::optional<Network> latest;  // of the last line
  own.watch = [&](const ExplicitAlEntry& entry, const Chain& chain) {
    const KktResiduals& c = entry.residuals;
    // Where it started is no epoch, and what the last one was rounded and polished to stands in its line. A line is
    // shown once nothing can take its place any more.
    if (!log.empty() && (log.back().epoch == 0 || log.back().epoch == entry.outer)) {
      log.pop_back();
    } else if (watch && !log.empty()) {
      watch(log.back(), *latest);
    }
    const Network network = to_network(chain);
    EpochLog line;
    line.epoch = entry.outer;
    line.train_loss = c.true_loss / count;
    line.validation_loss = validation.size() > 0 ? score(network, validation, options.loss, context).loss
                                                 : std::numeric_limits<double>::quiet_NaN();
    line.gradient_norm = c.gradient_norm() / count;
    line.infeasibility = *std::ranges::max_element(c.violation);
    line.rate = entry.rho;
    line.seconds = entry.seconds;
    log.push_back(line);
    latest = network;
  };
  const ExplicitAlResult found =
      explicit_al(to_chain(start), samples.inputs.cast<double>(), samples.targets.cast<double>(), own, context);
  if (watch) watch(log.back(), *latest);

  using Status = TrainResult::Status;
  TrainResult result{Status::kDone, to_network(found.chain), std::move(log), {}, found.log.back().seconds};
  if (found.status == TrainingStatus::kDiverged) result.status = Status::kDiverged;
  if (found.status == TrainingStatus::kCancelled) result.status = Status::kCancelled;
  if (found.status == TrainingStatus::kIterationLimit) result.status = Status::kUnconverged;
  const KktResiduals& last = found.log.back().residuals;
  result.events.push_back(fmt::format(
      "KKT residuals at the end{}: primal {:.2g}, stationarity {:.2g}, dual {:.2g}, complementarity {:.2g}; "
      "gradient of the true loss {:.2g}; {} units × samples on their kink",
      result.status == Status::kUnconverged ? fmt::format(", where at most {:g} is asked", own.tolerance) : "",
      last.primal, last.stationarity, last.dual, last.complementarity, last.gradient_norm(), last.ambiguous));
  return result;
}

}  // namespace unrect
