#include "unrect/train/internal/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <string_view>

#include "unrect/base/error.hpp"
#include "unrect/base/internal/hash.hpp"

namespace unrect {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Index kMetricEvery = 10;  // steps between two updates of the metrics, after the first three
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

double Trainer::rate_at(Index step) const {
  return std::ldexp(options_.rate_of(static_cast<Index>(model_.layers().size())), -halvings_) * schedule_at(step);
}

// Of the rate at its height.
double Trainer::schedule_at(Index step) const {
  const Index total = options_.epochs * steps_per_epoch_;
  const Index warm_up = std::min<Index>(options_.warm_up, total / 5);
  const double rise = std::min(1.0, static_cast<double>(step) / static_cast<double>(warm_up + 1));
  return rise * 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(step - 1) / static_cast<double>(total)));
}

double Trainer::rate() const {
  if (const auto* rule = std::get_if<GaussNewton>(&rule_)) return rule->alpha();
  if (const auto* rule = std::get_if<Lbfgs>(&rule_)) return rule->length();
  return rate_at(step_);
}

void Trainer::step() {
  ++step_;
  if (Lbfgs* const rule = std::get_if<Lbfgs>(&rule_)) return lbfgs_step(*rule);
  LayerMetric* const metric = std::get_if<LayerMetric>(&rule_);
  GaussNewton* const gauss_newton = std::get_if<GaussNewton>(&rule_);
  const bool refresh = moment_offsets() != nullptr && (metric_updates_ < 3 || (step_ - 1) % kMetricEvery == 0);
  // The steps that need G_l itself: to log its norm, or to add the decay, which waits for them.
  const bool plain = refresh || step_in_epoch_ + 1 == steps_per_epoch_;
  early_.assign(model_.layers().size(), nullptr);
  for (int l = 0; metric != nullptr && !plain && l < static_cast<int>(early_.size()); ++l)
    early_[static_cast<std::size_t>(l)] = metric->early(l, batch_);
  for_groups([&](std::size_t g) {
    Group& group = groups_[g];
    const std::span<const Index> rows(group.order.data() + step_in_epoch_ * group.rows,
                                      static_cast<std::size_t>(group.rows));
    group.pass->load(group.samples.inputs, rows);
    for (Index r = 0; r < group.rows; ++r)
      group.targets.row(r) = group.samples.targets.row(rows[static_cast<std::size_t>(r)]);
    const FloatRef y = group.pass->forward(weights_.data());
    batch_losses_[g] = loss<float>(options_.loss, y, group.targets, group.pass->output_cotangent());
    group.pass->backward(weights_.data(), group.gradient.data(), early_);
    if (!refresh) return;
    if (gauss_newton != nullptr) return gauss_newton->moments(*group.pass, y, group.targets, group.grams.data());
    for (int l = 0; l < static_cast<int>(model_.layers().size()); ++l)
      group.pass->gram(l, metric->gram_in(group.grams.data(), l));
  });
  gather(batch_losses_.data(), group_cuts_);
  const double mean = std::accumulate(batch_losses_.begin(), batch_losses_.end(), 0.0) / static_cast<double>(batch_);
  epoch_loss_ += mean;
  if (step_in_epoch_ >= steps_per_epoch_ * 3 / 4) late_loss_ += mean;
  for (Group& group : groups_) scatter(group, group.gradient, float_cuts_, group.received_gradient);
  if (gauss_newton != nullptr) {
    if (refresh) {
      update_moments(*gauss_newton, gauss_newton->moment_offsets());
      gather(gauss_newton->moments().data(), gram_cuts_);
      gauss_newton->invert(weights_.data(), team_);
    }
    return gauss_newton_step(*gauss_newton, mean);
  }
  if (refresh) update_metric(*metric);
  step_chunks(rate_at(step_));
  if (options_.lipschitz > 0) project();
}

// Adds the groups' moments a layer up, on the rank that is to do so.
template <class Metric>
void Trainer::update_moments(Metric& metric, const std::vector<Index>& offsets) {
  ++metric_updates_;
  for (Group& group : groups_) {
    scatter(group, group.grams, gram_cuts_, group.received_grams);
  }
  const auto me = static_cast<std::size_t>(ranks_.rank);
  const std::size_t first = layer_cuts_[me];
  team_.run(static_cast<int>(layer_cuts_[me + 1] - first), [&](int i) {
    const std::size_t l = first + static_cast<std::size_t>(i);
    const auto begin = static_cast<std::size_t>(offsets[l]);
    const Index size = offsets[l + 1] - offsets[l];
    FloatVector total(size);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const Group& group = groups_[g];
      const float* const part =
          mine(group) ? group.grams.data() + begin : group.received_grams.data() + (begin - gram_cuts_[me]);
      if (g == 0) {
        total = Eigen::Map<const FloatVector>(part, size);
      } else {
        total += Eigen::Map<const FloatVector>(part, size);
      }
    }
    metric.update(static_cast<int>(l), total, batch_ * gram_rows_of(model_, static_cast<int>(l)), metric_updates_);
  });
}

void Trainer::update_metric(LayerMetric& metric) {
  update_moments(metric, metric.gram_offsets());
  gather(metric.grams().data(), gram_cuts_);
  gather(metric.inverses().data(), gram_cuts_);
  if (!metric.has_trust_region()) return;
  for_chunks([&](std::size_t c) { chunk_values_[c] = metric.energy(chunks_[c], weights_.data()); });
  gather(chunk_values_.data(), chunk_cuts_);
  std::ranges::fill(energies_, 0);
  for (std::size_t c = 0; c < chunks_.size(); ++c)
    energies_[static_cast<std::size_t>(chunks_[c].layer)] += chunk_values_[c];
}

// change_ ← the mean gradient of a chunk at these weights, the decay's part with it.
void Trainer::average(const Chunk& chunk, const FloatVector& weights, double decay) {
  const Layer& layer = model_.layers()[static_cast<std::size_t>(chunk.layer)];
  const Index begin = layer.offset + chunk.begin * layer.stride;
  const Index size = chunk.rows * layer.stride;
  const auto own_begin = static_cast<Index>(float_cuts_[static_cast<std::size_t>(ranks_.rank)]);
  Eigen::Map<FloatVector> mean(change_.data() + begin, size);
  const float share = 1 / static_cast<float>(summed_);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    const float* const part =
        mine(group) ? group.gradient.data() + begin : group.received_gradient.data() + (begin - own_begin);
    const Eigen::Map<const FloatVector> sum(part, size);
    if (g == 0) {
      mean = sum;
    } else if (g + 1 < groups_.size()) {
      mean += sum;
    } else {
      mean = share * (mean + sum);
    }
  }
  if (groups_.size() == 1) mean *= share;
  if (decay > 0) {
    layer.in(change_.data()).middleRows(chunk.begin, chunk.rows).leftCols(layer.cols - 1) +=
        static_cast<float>(decay) *
        layer.in(weights.data()).middleRows(chunk.begin, chunk.rows).leftCols(layer.cols - 1);
  }
}

double Trainer::squared_gradient(const Chunk& chunk) const {
  const Layer& layer = model_.layers()[static_cast<std::size_t>(chunk.layer)];
  return static_cast<double>(
      change_.segment(layer.offset + chunk.begin * layer.stride, chunk.rows * layer.stride).squaredNorm());
}

void Trainer::step_chunks(double rate) {
  const bool log_gradient = step_in_epoch_ + 1 == steps_per_epoch_;
  LayerMetric* const metric = std::get_if<LayerMetric>(&rule_);
  // In the layers' metric the decay's part would cost a product a step of its own: it comes every tenth step, tenfold.
  const double decay = metric == nullptr                 ? options_.decay
                       : (step_ - 1) % kMetricEvery == 0 ? options_.decay * kMetricEvery
                                                         : 0;
  std::vector<double> changes(chunks_.size(), 0);
  for_chunks([&](std::size_t c) {
    const Chunk& chunk = chunks_[c];
    average(chunk, weights_, decay);
    if (log_gradient) chunk_values_[c] = squared_gradient(chunk);
    if (early_[static_cast<std::size_t>(chunk.layer)] != nullptr) {
      metric->apply(chunk, change_.data(), rate, weights_.data());
    } else if (metric != nullptr) {
      changes[c] = metric->propose(chunk, change_.data(), rate);
      if (!metric->has_trust_region()) metric->apply(chunk, change_.data(), 1, weights_.data());
    } else if (Adam* const adam = std::get_if<Adam>(&rule_)) {
      adam->step(chunk, change_.data(), weights_.data(), rate, step_);
    } else {
      std::get<Momentum>(rule_).step(chunk, change_.data(), weights_.data(), rate);
    }
  });
  if (log_gradient) gather(chunk_values_.data(), chunk_cuts_);
  if (metric != nullptr && metric->has_trust_region()) {
    gather(changes.data(), chunk_cuts_);
    const double share = std::ldexp(schedule_at(step_), -halvings_);
    std::vector<double> change(energies_.size(), 0);
    for (std::size_t c = 0; c < chunks_.size(); ++c) change[static_cast<std::size_t>(chunks_[c].layer)] += changes[c];
    for_chunks([&](std::size_t c) {
      const auto l = static_cast<std::size_t>(chunks_[c].layer);
      metric->apply(chunks_[c], change_.data(), metric->scale(change[l], energies_[l], share), weights_.data());
    });
  }
  gather(weights_.data(), float_cuts_);
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

// ‖W_l‖₂ ≤ lipschitz^(1/L) after every step, exactly so after an epoch.
void Trainer::project() {
  const bool epoch_ends = step_in_epoch_ + 1 == steps_per_epoch_;
  const RuleState state = std::visit([](auto& rule) { return rule.state(); }, rule_);
  const auto velocity = state.find("velocity");
  team_.run(static_cast<int>(balls_.size()), [&](int i) {
    const Layer& layer = model_.layers()[static_cast<std::size_t>(i)];
    SpectralBall& ball = balls_[static_cast<std::size_t>(i)];
    const FloatOut weights = layer.in(weights_.data()).leftCols(layer.cols - 1);
    FloatMatrix none;
    if (velocity == state.end()) {
      ball.project(weights, none);
    } else {
      ball.project(weights, layer.in(velocity->second.data()).leftCols(layer.cols - 1));
    }
    if (epoch_ends) ball.finish(weights);
  });
}

}  // namespace unrect
