// Training: mini-batches, epochs, checkpoints, around a rule that steps.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
#include "unrect/lifted/loss.hpp"
#include "unrect/network/network.hpp"
#include "unrect/train/samples.hpp"

namespace unrect {

enum class Method { kFeasibleAl, kGaussNewtonAl, kExplicitAl, kAdam, kSgd, kLbfgs };

/// "feasible-al", "gauss-newton-al", "explicit-al", "adam", "sgd", "lbfgs". Gauss–Newton (chains alone) and L-BFGS find
/// their steps' lengths themselves: no rate, no warm-up, no decay of the rate, no halving. L-BFGS takes all samples at
/// once: an epoch is one of its iterations, which is one pass over the samples, or a few where its line search needs
/// them. ExplicitAl (explicit_al.hpp; chains and squared loss alone) does, too: an epoch is one update of its
/// multipliers.
std::string_view name_of(Method method);
/// @throws Error kInvalidArgument for a name that no method has, listing those that there are.
Method method_named(std::string_view name);

struct TrainOptions {
  Method method = Method::kFeasibleAl;
  Loss loss;
  int epochs = 10;
  Index batch = 500;
  double rate = 0;
  int warm_up = 20;
  double momentum = 0.9;
  double damping = 0;
  double trust = 0;
  double decay = 0;
  int groups = 4;
  int patience = 0;
  double lipschitz = 0;
  bool bfloat16 = false;
  std::vector<int> fixed;
  // Makes the samples of epoch 1, 2, … (epoch 0 has those that train() was given), always as many of them. Called with
  // the epoch alone, so that a training that is resumed sees the same samples.
  std::function<Samples(int epoch)> renew;
  // Makes the network of epoch 1, 2, …, for training one set of weights in several networks (measured images: another
  // operator in each epoch). Its nodes are the start's in number and kind, and only those in `fixed` may have other
  // weights and sizes. Goes with `renew`, and without a validation set. Called with the epoch alone.
  std::function<Network(int epoch)> relay;
  std::filesystem::path checkpoint;
  double checkpoint_seconds = 10;
  bool resume = false;
  bool warm_start = false;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.method,
          {"method",
           "feasible-al, gauss-newton-al (no rate to choose), explicit-al (TH's own), adam, sgd, or lbfgs (all samples "
           "at once)"});
    Loss::visit(o.loss, field);
    field(o.epochs, {"epochs", "passes over the training samples; of lbfgs, iterations", at_least(1)});
    field(o.batch, {"batch", "samples a step; of lbfgs, held in memory at once", at_least(1)});
    field(o.rate, {"rate", "η at its height, explicit-al's first ρ", at_least(0), otherwise("rate")});
    field(o.warm_up,
          {"warm_up", "steps in which the rate rises to its height, to fall to 0 along a cosine", between(0, 1e6)});
    field(o.momentum, {"momentum", "μ of feasible-al and sgd", {.low = 0, .high = 1, .open_high = true}});
    field(o.damping, {"damping", "δ of feasible-al", zero_or(at_least(0.02)), otherwise("damping")});
    field(o.trust,
          {"trust",
           "κ of feasible-al: a step's length goes with κ and the gradient's root, and changes a layer's output by at "
           "most κ of itself, before momentum; 0: steps as long as η alone makes them",
           at_least(0)});
    field(o.decay, {"decay", "r: adds r/2 Σ ‖W‖² to the loss", at_least(0)});
    field(o.groups, {"groups", "parts of a batch summed apart, then in order: what threads and ranks can share",
                     between(1, 1024)});
    field(o.patience, {"patience", "stop after so many epochs without a better held-out loss; 0: never", at_least(0)});
    field(o.lipschitz,
          {"lipschitz", "keep the product of the layers' spectral norms below this; 0: no such budget", at_least(0)});
    field(o.bfloat16, {"bfloat16", "convolutions multiply in bfloat16: faster where the processor can"});
    field(o.fixed, {.name = "fixed", .help = "nodes that keep their weights", .aside = true});  // the start tells them
    field(o.checkpoint,
          {.name = "checkpoint", .help = "file that keeps the state, written every few seconds", .aside = true});
    field(o.checkpoint_seconds, {"checkpoint_seconds", "seconds between checkpoints", between(0, 1e9), "", true});
    field(o.resume, {.name = "resume", .help = "go on from the checkpoint, if it is there", .aside = true});
    field(o.warm_start, {.name = "warm_start",
                         .help = "explicit-al: the start's weights are trained ones, its adjoint multipliers good",
                         .aside = true});  // goes without checkpoints
  }

  /// @throws Error kInvalidArgument naming the first option out of its range.
  void validate() const;
  /// η: `rate`, or the method's own.
  double rate_of(Index layers) const;
  /// δ: `damping`, or its own. Under a Lipschitz budget that is large, and so is η: the projection is the Euclidean
  /// one, and only a metric near a multiple of the identity has the constrained problem's solutions as fixed points of
  /// both.
  double damping_of() const;
  /// In words what a rate or a damping of 0 stands for.
  static std::string_view otherwise(std::string_view field);
};

/// One line of the iteration log: an epoch.
struct EpochLog {
  int epoch = 0;               // 1, 2, …
  double train_loss = 0;       // mean f a sample over the epoch's mini-batches, weights changing meanwhile
  double validation_loss = 0;  // mean f a sample at the epoch's end; NaN without a validation set
  double gradient_norm = 0;  // ‖∇_W f‖_F of the last mini-batch: at feasible points the lifted problem's KKT residual
  double infeasibility = 0;  // max |c_i| of the lifted problem's constraints: 0 but for ExplicitAl
  double rate = 0;           // η at the epoch's end; Gauss–Newton's α, L-BFGS's step length, ExplicitAl's ρ
  double seconds = 0;        // of wall-clock time since the start
};

struct TrainResult {
  enum class Status { kDone, kStoppedEarly, kDiverged, kCancelled, kUnconverged };  // the last one: ExplicitAl's
  Status status = Status::kDone;
  Network network;  // the best weights by validation loss, or the last ones without a validation set; ExplicitAl's: by
                    // training loss
  std::vector<EpochLog> log;        // printing is a view of it
  std::vector<std::string> events;  // "epoch 1: …; rate halved", …
  double seconds = 0;
};

using Watch = std::function<void(const EpochLog&, const Network&)>;

/// What data-parallel training needs of the other ranks. Bytes of rank r: [cuts[r], cuts[r + 1]).
struct Ranks {
  int rank = 0;
  int count = 1;
  /// Each rank's part of `values` reaches all of them.
  std::function<void(std::byte* values, const std::vector<std::size_t>& cuts)> gather;
  /// Rank r's part of root's `values` lands in its `part`.
  std::function<void(int root, const std::byte* values, const std::vector<std::size_t>& cuts, std::byte* part)> scatter;
};

/// Trains the Dense and Convolution nodes of `start`, all but options.fixed, on mini-batches, η warmed up and cooled
/// down. If the first epoch ends above where it began, or another of the first quarter far above, the rate is halved
/// and training starts again (an event). Results do not depend on threads or ranks, bit by bit; `watch` is called on
/// rank 0 after every epoch with the network as it is.
/// @throws Error kInvalidArgument for samples that do not fit the network, for bad options; kFormat for a checkpoint
/// of another training; kUnsupported for Gauss–Newton on anything but a chain.
TrainResult train(const Network& start, const Samples& samples, const Samples& validation = {},
                  const TrainOptions& options = {}, const Context& context = {}, const Ranks& ranks = {},
                  const Watch& watch = {});

/// What a network achieves on samples, computed in float as in training. @throws Error kInvalidArgument for samples
/// that do not fit the network.
struct Score {
  double loss = 0;           // mean f a sample
  double squared_error = 0;  // mean (y − x)² an entry
  double accuracy = 0;       // share of samples whose largest output is their largest target
};
Score score(const Network& network, const Samples& samples, const Loss& loss = {}, const Context& context = {});

/// Units of a hidden ReLU layer that are 0 for every sample: no gradient reaches their weights any more. (An output
/// that is always 0 may well be right.)
struct DeadUnits {
  Index layer = 0;  // of the network's layers(), from 0
  Index dead = 0, units = 0;
};
std::vector<DeadUnits> dead_units(const Network& network, const Samples& samples, const Context& context = {});

}  // namespace unrect
