// The loop behind train(): groups of samples, chunks of weights, and who does which.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "unrect/base/internal/team.hpp"
#include "unrect/train/internal/gauss_newton.hpp"
#include "unrect/train/internal/lbfgs.hpp"
#include "unrect/train/internal/pass.hpp"
#include "unrect/train/internal/spectral_ball.hpp"
#include "unrect/train/internal/step_rule.hpp"
#include "unrect/train/train.hpp"

namespace unrect {

/// A step: every group (a fixed part of the mini-batch) yields its gradient sum; every chunk of weights adds the
/// groups' sums in their order and steps. Groups are dealt out to ranks, chunks to ranks and threads; neither knows of
/// the other's number, so no result does.
class Trainer {
 public:
  Trainer(const Network& start, const Samples& samples, const Samples& validation, const TrainOptions& options,
          const Context& context, const Ranks& ranks);
  Trainer(const Network&, const Samples&&, const Samples&, const TrainOptions&, const Context&, const Ranks&) = delete;

  TrainResult run(const Watch& watch);

 private:
  // A contiguous part of the samples and its share of every mini-batch. Its owner alone holds rows and pass.
  struct Group {
    int owner = 0;
    Index rows = 0;             // of a mini-batch
    Index begin = 0, size = 0;  // among the samples
    Samples samples, validation;
    std::vector<Index> order;
    std::optional<Pass> pass;
    FloatMatrix targets;
    FloatVector gradient, grams;
    FloatVector block_gradient;  // L-BFGS: of one block of the group's samples
    // On every rank: the part of gradient and Gram matrices whose chunks and layers it steps.
    FloatVector received_gradient, received_grams;
  };
  enum class Outcome { kDone, kStoppedEarly, kDiverged, kCancelled, kTooFast };
  using Rule = std::variant<Momentum, Adam, LayerMetric, GaussNewton, Lbfgs>;

  void renew_rule();
  void reset();
  Outcome run_epochs(const Watch& watch);
  void step();
  void average(const Chunk& chunk, const FloatVector& weights, double decay);
  double squared_gradient(const Chunk& chunk) const;
  void step_chunks(double rate);
  template <class Metric>
  void update_moments(Metric& metric, const std::vector<Index>& offsets);
  void update_metric(LayerMetric& metric);
  void gauss_newton_step(GaussNewton& rule, double loss);
  void lbfgs_step(Lbfgs& rule);
  double full_loss(const FloatVector& weights, FloatVector& gradient);
  double penalty(const FloatVector& weights) const;
  const std::vector<Index>* moment_offsets() const;
  bool has_rate() const { return rule_.index() < 3; }
  void project();
  void shuffle();
  void renew_samples();
  void lay_anew();
  void give_out(const Samples& samples, const Model& model);
  double rate_at(Index step) const;
  double schedule_at(Index step) const;
  double rate() const;
  double mean_loss(Samples Group::*set, Index most);  // over the first `most` of every group's
  bool stopped();
  bool mine(const Group& group) const { return group.owner == ranks_.rank; }

  double seconds() const;  // of this training, also before it was resumed
  void save();
  void load();
  std::uint64_t fingerprint() const;

  // What a rule remembers that is the same on every rank.
  std::vector<std::pair<std::string, FloatVector*>> replicated();
  std::span<double> rule_numbers();

  // Everyone's parts reach everyone; nothing to do on one rank.
  template <class T>
  void gather(T* values, const std::vector<std::size_t>& cuts) {
    gather_bytes(reinterpret_cast<std::byte*>(values), sizeof(T), cuts);
  }
  void gather_bytes(std::byte* values, std::size_t size, const std::vector<std::size_t>& cuts);
  // This rank's groups and chunks, shared among its threads.
  template <class Task>
  void for_groups(const Task& task) {
    share_out(group_cuts_, task);
  }
  template <class Task>
  void for_chunks(const Task& task) {
    share_out(chunk_cuts_, task);
  }
  template <class Task>
  void share_out(const std::vector<std::size_t>& cuts, const Task& task) {
    const auto me = static_cast<std::size_t>(ranks_.rank);
    team_.run(static_cast<int>(cuts[me + 1] - cuts[me]), [&](int i) { task(cuts[me] + static_cast<std::size_t>(i)); });
  }
  void scatter(const Group& group, const FloatVector& whole, const std::vector<std::size_t>& cuts, FloatVector& part);

  const Model model_;
  std::unique_ptr<const Model> relaid_;  // this epoch's, where it is laid out anew
  const Model* learner_ = nullptr;       // what the passes look at: model_ or relaid_
  const TrainOptions options_;
  const Context context_;
  const Ranks ranks_;
  const Samples& samples_;  // the caller's, which may be large
  Index validation_size_;
  std::uint64_t validation_hash_;
  Index batch_;
  Index summed_;  // samples in a gradient: a batch, or all
  Team team_;
  std::vector<Group> groups_;
  std::vector<Chunk> chunks_;
  // Boundaries between ranks: of chunks, of their floats, of layers, of their Gram matrices, of groups.
  std::vector<std::size_t> chunk_cuts_, float_cuts_, layer_cuts_, gram_cuts_, group_cuts_;
  Index steps_per_epoch_ = 1;

  // What a checkpoint keeps.
  FloatVector weights_, best_;
  Rule rule_;
  Index epoch_ = 0, step_in_epoch_ = 0, step_ = 0, metric_updates_ = 0;
  int halvings_ = 0, since_best_ = 0;
  double first_loss_ = 0, best_loss_ = 0, epoch_loss_ = 0, late_loss_ = 0, seconds_before_ = 0;
  std::vector<SpectralBall> balls_;  // a layer; none without a Lipschitz budget
  std::vector<double> energies_;     // tr(W̃ C W̃ᵀ) a layer
  std::vector<EpochLog> log_;
  std::vector<std::string> events_;

  FloatVector change_;                // the mean gradient, then the step
  std::vector<double> batch_losses_;  // a group
  std::vector<const float*> early_;   // a layer: its metric where backward() applies it in this step
  std::vector<double> chunk_values_;
  std::chrono::steady_clock::time_point start_, last_progress_, last_save_;
};

}  // namespace unrect
