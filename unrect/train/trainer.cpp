#include "unrect/train/internal/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/hash.hpp"

namespace unrect {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostHalvings = 10;
constexpr double kTolerance = 1.2;     // mini-batches differ
constexpr Index kBatchesToJudge = 20;  // of the start, whose loss the first epoch has to undercut
constexpr Index kStepsToJudge = 20;    // an epoch of fewer says nothing about the rate
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Where part i of `count` things, cut into `parts` nearly equal ones, begins.
Index cut(Index count, Index i, Index parts) { return count * i / parts; }

// Boundaries 0 = c_0 ≤ … ≤ c_parts = n between contiguous parts of nearly equal cost.
std::vector<std::size_t> balanced(const std::vector<double>& costs, int parts) {
  const double total = std::accumulate(costs.begin(), costs.end(), 0.0);
  std::vector<std::size_t> cuts{0};
  double sum = 0;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    while (static_cast<int>(cuts.size()) < parts &&
           sum + costs[i] / 2 > total * static_cast<double>(cuts.size()) / parts)
      cuts.push_back(i);
    sum += costs[i];
  }
  cuts.resize(static_cast<std::size_t>(parts) + 1, costs.size());
  return cuts;
}

std::vector<std::size_t> in_units_of(std::size_t size, std::vector<std::size_t> cuts) {
  for (std::size_t& c : cuts) c *= size;
  return cuts;
}

std::uint64_t hash_of(const Samples& samples) {
  Hash hash;
  for (const FloatMatrix* part : {&samples.inputs, &samples.targets})
    hash.add(std::string_view(reinterpret_cast<const char*>(part->data()),
                              static_cast<std::size_t>(part->size()) * sizeof(float)));
  return hash.value();
}

std::vector<Index> range(Index begin, Index end) {
  std::vector<Index> rows(static_cast<std::size_t>(end - begin));
  std::iota(rows.begin(), rows.end(), begin);
  return rows;
}

}  // namespace

Trainer::Trainer(const Network& start, const Samples& samples, const Samples& validation, const TrainOptions& options,
                 const Context& context, const Ranks& ranks)
    : model_(start, options.fixed),
      options_(options),
      context_(context),
      ranks_(ranks),
      samples_(samples),
      validation_size_(validation.size()),
      validation_hash_(hash_of(validation)),
      batch_(std::min(options.batch, samples.size())),
      summed_(options.method == Method::kLbfgs ? samples.size() : batch_),
      team_(context.threads),
      chunks_(chunks_of(model_)),
      rule_(std::in_place_type<Momentum>, model_, options.momentum),
      change_(FloatVector::Zero(model_.size())),
      chunk_values_(chunks_.size()),
      start_(Clock::now()),
      last_progress_(start_),
      last_save_(start_) {
  renew_rule();
  const std::vector<Layer>& layers = model_.layers();
  std::vector<double> chunk_costs, layer_costs;
  for (const Chunk& chunk : chunks_) {
    const auto cols = static_cast<double>(layers[static_cast<std::size_t>(chunk.layer)].cols);
    chunk_costs.push_back(static_cast<double>(chunk.rows) * cols * (cols + 100));
  }
  for (const Layer& layer : layers) layer_costs.push_back(std::pow(static_cast<double>(layer.cols), 3));
  chunk_cuts_ = balanced(chunk_costs, ranks.count);
  layer_cuts_ = balanced(layer_costs, ranks.count);
  for (const std::size_t c : chunk_cuts_) {
    float_cuts_.push_back(static_cast<std::size_t>(
        c == chunks_.size() ? model_.size()
                            : layers[static_cast<std::size_t>(chunks_[c].layer)].offset +
                                  chunks_[c].begin * layers[static_cast<std::size_t>(chunks_[c].layer)].stride));
  }
  const std::vector<Index>* const offsets = moment_offsets();
  for (const std::size_t c : layer_cuts_)
    gram_cuts_.push_back(offsets != nullptr ? static_cast<std::size_t>((*offsets)[c]) : 0);

  const Index groups = std::min<Index>(options.groups, batch_);
  group_cuts_ = balanced(std::vector<double>(static_cast<std::size_t>(groups), 1.0), ranks.count);
  steps_per_epoch_ = std::numeric_limits<Index>::max();
  for (Index g = 0; g < groups; ++g) {
    Group& group = groups_.emplace_back();
    group.owner =
        static_cast<int>(std::ranges::upper_bound(group_cuts_, static_cast<std::size_t>(g)) - group_cuts_.begin()) - 1;
    // A batch and what is beyond it are cut alike, so that no group has fewer samples than its share of a batch.
    const auto start_of = [&](Index i) { return cut(batch_, i, groups) + cut(samples.size() - batch_, i, groups); };
    group.begin = start_of(g);
    group.size = start_of(g + 1) - group.begin;
    group.rows = cut(batch_, g + 1, groups) - cut(batch_, g, groups);
    steps_per_epoch_ = std::min(steps_per_epoch_, group.size / group.rows);
    const auto me = static_cast<std::size_t>(ranks_.rank);
    if (!mine(group)) {
      group.received_gradient = FloatVector::Zero(static_cast<Index>(float_cuts_[me + 1] - float_cuts_[me]));
      group.received_grams = FloatVector::Zero(static_cast<Index>(gram_cuts_[me + 1] - gram_cuts_[me]));
      continue;
    }
    group.validation =
        rows_of(validation, range(cut(validation_size_, g, groups), cut(validation_size_, g + 1, groups)));
    group.targets = FloatMatrix::Zero(group.rows, samples.targets.cols());
    group.gradient = FloatVector::Zero(model_.size());
    if (offsets != nullptr) group.grams = FloatVector::Zero(offsets->back());
    if (options.method == Method::kLbfgs) group.block_gradient = FloatVector::Zero(model_.size());
  }
  if (options.method == Method::kLbfgs) steps_per_epoch_ = 1;
  reset();
}

void Trainer::renew_rule() {
  switch (options_.method) {
    case Method::kSgd:
      rule_.emplace<Momentum>(model_, options_.momentum);
      break;
    case Method::kAdam:
      rule_.emplace<Adam>(model_);
      break;
    case Method::kFeasibleAl:
      rule_.emplace<LayerMetric>(model_,
                                 LayerMetric::Options{options_.momentum, options_.damping_of(), options_.trust});
      break;
    case Method::kGaussNewtonAl:
      rule_.emplace<GaussNewton>(model_, options_.loss, options_.decay);
      break;
    case Method::kLbfgs:
      rule_.emplace<Lbfgs>(model_.size());
      break;
    case Method::kExplicitAl:  // has no mini-batches and no rule: train() sends it elsewhere
      throw Error(ErrorCode::kUnsupported, "explicit-al does not step by mini-batches");
  }
}

const std::vector<Index>* Trainer::moment_offsets() const {
  if (const auto* metric = std::get_if<LayerMetric>(&rule_)) return &metric->gram_offsets();
  if (const auto* rule = std::get_if<GaussNewton>(&rule_)) return &rule->moment_offsets();
  return nullptr;
}

void Trainer::reset() {
  give_out(samples_, model_);
  weights_ = model_.weights();
  best_ = weights_;
  renew_rule();
  epoch_ = step_in_epoch_ = step_ = metric_updates_ = 0;
  since_best_ = 0;
  first_loss_ = 0;
  best_loss_ = std::numeric_limits<double>::infinity();
  epoch_loss_ = late_loss_ = 0;
  batch_losses_.assign(groups_.size(), 0);
  energies_.assign(model_.layers().size(), 0);
  balls_.clear();
  const double bound = std::pow(options_.lipschitz, 1 / static_cast<double>(model_.layers().size()));
  for (const Layer& layer : model_.layers()) {
    if (options_.lipschitz > 0) balls_.emplace_back(layer.cols - 1, bound);
  }
  log_.clear();
  shuffle();
}

double Trainer::seconds() const {
  return seconds_before_ + std::chrono::duration<double>(Clock::now() - start_).count();
}

TrainResult Trainer::run(const Watch& watch) {
  if (options_.resume && !options_.checkpoint.empty() && std::filesystem::exists(options_.checkpoint)) load();
  Outcome outcome = run_epochs(watch);
  while (outcome == Outcome::kTooFast && halvings_ < kMostHalvings) {
    ++halvings_;
    events_.push_back(
        fmt::format("epoch {} above the start: rate halved to {:.3g}, started again", std::max<Index>(1, epoch_),
                    std::ldexp(options_.rate_of(static_cast<Index>(model_.layers().size())), -halvings_)));
    reset();
    outcome = run_epochs(watch);
  }
  using Status = TrainResult::Status;
  const Status status = outcome == Outcome::kDone           ? Status::kDone
                        : outcome == Outcome::kStoppedEarly ? Status::kStoppedEarly
                        : outcome == Outcome::kCancelled    ? Status::kCancelled
                                                            : Status::kDiverged;
  if (outcome != Outcome::kDiverged && outcome != Outcome::kTooFast) save();
  // Who stops in the first epoch gets what it has learned.
  const bool unjudged = status == Status::kCancelled && log_.empty() && weights_.allFinite();
  return {status, model_.with(unjudged ? weights_ : best_), log_, events_, seconds()};
}

Trainer::Outcome Trainer::run_epochs(const Watch& watch) {
  // In the first quarter of a training a lower rate is worth starting again; later the last good weights are.
  const auto diverged = [&] {
    return has_rate() && 4 * epoch_ <= std::max(4, options_.epochs) ? Outcome::kTooFast : Outcome::kDiverged;
  };
  for (; epoch_ < options_.epochs; step_in_epoch_ = 0, shuffle()) {
    if (const Lbfgs* const rule = std::get_if<Lbfgs>(&rule_); rule != nullptr && rule->converged()) break;
    // A run that was stopped early and is resumed stops again.
    if (options_.patience > 0 && since_best_ >= options_.patience) return Outcome::kStoppedEarly;
    // An epoch of another network is judged by its own beginning.
    const Index judges = options_.relay ? kBatchesToJudge / 5 : kBatchesToJudge;
    if (step_ == 0 || (options_.relay && step_in_epoch_ == 0))
      first_loss_ = mean_loss(&Group::samples, judges * batch_ / static_cast<Index>(groups_.size()));
    for (; step_in_epoch_ < steps_per_epoch_; ++step_in_epoch_) {
      if (stopped()) return Outcome::kCancelled;
      step();
      if (!std::isfinite(epoch_loss_)) return diverged();
    }
    ++epoch_;
    if (!weights_.allFinite()) return diverged();
    const Index late = steps_per_epoch_ - steps_per_epoch_ * 3 / 4;
    const double loss = std::exchange(epoch_loss_, 0) / static_cast<double>(steps_per_epoch_);
    const double late_loss = std::exchange(late_loss_, 0) / static_cast<double>(late);
    if (epoch_ == 1 && steps_per_epoch_ >= kStepsToJudge && late_loss > kTolerance * first_loss_) return diverged();
    if (loss > 10 * first_loss_) return diverged();
    EpochLog line{static_cast<int>(epoch_),
                  loss,
                  validation_size_ > 0 ? mean_loss(&Group::validation, validation_size_) : kNaN,
                  0,
                  0,
                  rate(),
                  0};
    line.gradient_norm = std::sqrt(std::accumulate(chunk_values_.begin(), chunk_values_.end(), 0.0));
    line.seconds = seconds();
    log_.push_back(line);
    if (validation_size_ == 0 || line.validation_loss < best_loss_) {
      best_loss_ = line.validation_loss;
      best_ = weights_;
      since_best_ = 0;
    } else {
      ++since_best_;
    }
    if (watch && ranks_.rank == 0) watch(line, model_.with(weights_));
  }
  return Outcome::kDone;
}

void Trainer::shuffle() {
  const Rng rng = Rng(context_.seed).split(static_cast<std::uint64_t>(epoch_));
  if (options_.renew && epoch_ > 0 && epoch_ < options_.epochs) renew_samples();
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (mine(groups_[g])) groups_[g].order = permutation(groups_[g].size, rng.split(g));
  }
}

void Trainer::renew_samples() {
  const Samples fresh = options_.renew(static_cast<int>(epoch_));
  check(fresh, fmt::format("samples of epoch {}", epoch_ + 1));
  const bool anew = static_cast<bool>(options_.relay);
  if (anew) lay_anew();
  const Index inputs = anew ? relaid_->network().input_size() : samples_.inputs.cols();
  UNRECT_REQUIRE(fresh.size() == samples_.size() && fresh.inputs.cols() == inputs &&
                     fresh.targets.cols() == samples_.targets.cols(),
                 ErrorCode::kInvalidArgument, "samples of epoch {}: {} of {} → {}; expected {} of {} → {}", epoch_ + 1,
                 fresh.size(), fresh.inputs.cols(), fresh.targets.cols(), samples_.size(), inputs,
                 samples_.targets.cols());
  give_out(fresh, anew ? *relaid_ : model_);
}

void Trainer::lay_anew() {
  auto next = std::make_unique<const Model>(options_.relay(static_cast<int>(epoch_)), options_.fixed);
  const auto alike = [](const Layer& a, const Layer& b) {
    return a.node == b.node && a.rows == b.rows && a.cols == b.cols && a.offset == b.offset;
  };
  UNRECT_REQUIRE(std::ranges::equal(next->layers(), model_.layers(), alike) &&
                     next->network().output_size() == model_.network().output_size(),
                 ErrorCode::kInvalidArgument, "the network of epoch {} is laid out otherwise than the first one",
                 epoch_ + 1);
  for (Group& group : groups_) group.pass.reset();  // they look at the model that goes
  relaid_ = std::move(next);
}

// What the groups learn from, and the network that they see.
void Trainer::give_out(const Samples& samples, const Model& model) {
  for (Group& group : groups_) {
    if (!mine(group)) continue;
    group.samples = rows_of(samples, range(group.begin, group.begin + group.size));
    if (!group.pass || &model != learner_) group.pass.emplace(model, group.rows, options_.bfloat16);
  }
  learner_ = &model;
}

double Trainer::mean_loss(Samples Group::*set, Index most) {
  std::vector<double> sums(groups_.size(), 0), counts(groups_.size(), 0);
  for_groups([&](std::size_t g) {
    Group& group = groups_[g];
    const Samples& samples = group.*set;
    const Index size = std::min(samples.size(), most);
    counts[g] = static_cast<double>(size);
    for (Index begin = 0; begin < size; begin += group.rows) {
      const Index count = group.pass->load(samples.inputs.topRows(size), begin);
      const FloatRef y = group.pass->forward(weights_.data());
      sums[g] += loss<float>(options_.loss, y.topRows(count), samples.targets.middleRows(begin, count),
                             group.pass->output_cotangent().topRows(count));
    }
  });
  gather(sums.data(), group_cuts_);
  gather(counts.data(), group_cuts_);
  return std::accumulate(sums.begin(), sums.end(), 0.0) / std::accumulate(counts.begin(), counts.end(), 0.0);
}

bool Trainer::stopped() {
  const Clock::time_point now = Clock::now();
  const auto since = [&](Clock::time_point then) { return std::chrono::duration<double>(now - then).count(); };
  char wish[2] = {0, 0};  // stop, save: rank 0 decides for all
  if (ranks_.rank == 0) {
    if (context_.progress && since(last_progress_) >= 0.1) {
      last_progress_ = now;
      const Index done = epoch_ * steps_per_epoch_ + step_in_epoch_;
      const Index total = options_.epochs * steps_per_epoch_;
      wish[0] =
          context_.progress({"samples", static_cast<double>(done * summed_), static_cast<double>(total * summed_)}) ? 0
                                                                                                                    : 1;
    }
    wish[1] = !options_.checkpoint.empty() && since(last_save_) >= options_.checkpoint_seconds ? 1 : 0;
  }
  std::vector<std::size_t> rank_0_only(static_cast<std::size_t>(ranks_.count) + 1, sizeof wish);
  rank_0_only[0] = 0;
  gather(wish, rank_0_only);
  if (wish[1] != 0) save();
  return wish[0] != 0;
}

void Trainer::gather_bytes(std::byte* values, std::size_t size, const std::vector<std::size_t>& cuts) {
  if (ranks_.count > 1) ranks_.gather(values, in_units_of(size, cuts));
}

void Trainer::scatter(const Group& group, const FloatVector& whole, const std::vector<std::size_t>& cuts,
                      FloatVector& part) {
  if (ranks_.count == 1) return;
  ranks_.scatter(group.owner, reinterpret_cast<const std::byte*>(whole.data()), in_units_of(sizeof(float), cuts),
                 reinterpret_cast<std::byte*>(part.data()));
}

}  // namespace unrect
