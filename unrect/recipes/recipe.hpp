// From a task's data to a network to start from and the options to train it with.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "unrect/base/options.hpp"
#include "unrect/network/network.hpp"
#include "unrect/recipes/training_data.hpp"
#include "unrect/train/train.hpp"

namespace unrect {

/// What the defaults of a training depend on.
struct Situation {
  LearningTask task = LearningTask::kRecovery;
  Method method = TrainOptions{}.method;
  bool images = false;   // recovery of images
  bool renewed = false;  // other samples in every epoch
  bool budget = false;   // TrainOptions::lipschitz
  Index layers = 1;      // that learn
  double steps = 1;      // of the whole training
};

/// What holds where nothing is wished: what was found to (docs/benchmarks.md). A rate and a damping of 0 are the
/// method's own.
struct UsualOptions {
  Index batch = TrainOptions{}.batch;
  double rate = TrainOptions{}.rate, damping = TrainOptions{}.damping;
  double trust = TrainOptions{}.trust, decay = TrainOptions{}.decay;
};
UsualOptions usual_options(const Situation& situation);

/// What of a recipe is wished otherwise than the task has it: usual_options(). Rate and damping belong together: for
/// classes they are the task's if neither is given; for images where they are not given, unless the trust is 0.
struct RecipeOptions {
  std::vector<Index> layers{512, 512};
  bool linear_output = false;
  int consistency = 0;
  std::optional<Index> batch{};
  std::optional<double> trust{};
  std::optional<double> decay{};
  double log_scale = 0;
  TrainOptions train{};  // all the others

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    const auto usual = [&](const auto& of_train) {
      Option option = option_of(o.train, of_train);
      option.otherwise = otherwise(option.name);
      return option;
    };
    field(o.layers, {"layers", "widths of the hidden layers", between(1, 65536)});
    field(o.linear_output, {"linear_output", "recovery: no ReLU after the last layer"});
    field(o.consistency,
          {"consistency",
           "recovery of pictures: end in so many rounds of the nearest x̂ with Φx̂ = y, cut to [0, 1], instead of a "
           "ReLU",
           between(0, 100)});
    field(o.batch, usual(o.train.batch));
    field(o.train.rate, usual(o.train.rate));
    field(o.train.damping, usual(o.train.damping));
    field(o.trust, usual(o.train.trust));
    field(o.decay, usual(o.train.decay));
    field(o.log_scale,
          {"log_scale",
           "loss D/2 log(1 + ε/D) a value, ε the mean squared error of a sample: for the mean of PSNRs; 0: ε/2",
           at_least(0)});
  }
  /// In words what usual_options() has where a field is left empty or at 0.
  static std::string_view otherwise(std::string_view field);
};

/// What train() takes beside the data.
struct Recipe {
  Network start;
  TrainOptions options;
};

/// @throws Error kInvalidArgument for wishes that are out of range or do not go with the task; as read_network for
/// request.start.
Recipe recipe_for(const DataRequest& request, const TrainingData& data, const RecipeOptions& wishes = {});

/// The Dense and Convolution nodes: what is learned.
Index learned_layers(const Network& network);

}  // namespace unrect
