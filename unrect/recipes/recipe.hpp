// From a task's data to a network to start from and the options to train it with.
#pragma once

#include <optional>
#include <vector>

#include "unrect/network/network.hpp"
#include "unrect/recipes/training_data.hpp"
#include "unrect/train/train.hpp"

namespace unrect {

/// What of a recipe is wished otherwise than the task has it.
struct RecipeOptions {
  std::vector<Index> layers{512, 512};  // widths of a chain's hidden layers; images: DataRequest's phases and channels
  bool linear_output = false;           // recovery: no ReLU after the last layer, where targets are nowhere negative
  int consistency = 0;                  // recovery: end in so many rounds of meeting what was measured (consistent())
  std::optional<Index> batch{};         // images: 4
  std::optional<double> decay{};        // FeasibleAl without a budget: 1e-3 for classes and recoveries of fixed samples
  std::optional<double> trust{};        // FeasibleAl on images: 0.3/√steps, at most 0.05
  double log_scale = 0;                 // D > 0: the logarithmic loss, for the mean of PSNRs
  TrainOptions train{};                 // a rate or damping of 0 is the task's, or else the method's own
};

/// What train() takes beside the data.
struct Recipe {
  Network start;
  TrainOptions options;
};

/// The defaults are what was found to hold (docs/benchmarks.md): for classes η = 1 (beyond three layers 0.3) and δ =
/// 10, unless one of them is given; for images η = 0.4 and δ = 0.05, unless κ is 0. The rest are RecipeOptions' own.
/// @throws Error kInvalidArgument for wishes that do not go with the task; as read_network for request.start.
Recipe recipe_for(const DataRequest& request, const TrainingData& data, const RecipeOptions& wishes = {});

/// The Dense and Convolution nodes: what is learned.
Index learned_layers(const Network& network);

}  // namespace unrect
