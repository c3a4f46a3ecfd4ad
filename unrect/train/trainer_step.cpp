// One step: the rate at it, the groups' gradients, the layers' moments, and what the rule makes of the chunks.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "unrect/train/internal/trainer.hpp"

namespace unrect {
namespace {

constexpr Index kMetricEvery = 10;  // steps between two updates of the metrics, after the first three

}  // namespace

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
