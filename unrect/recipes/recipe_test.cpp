#include "unrect/recipes/recipe.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "unrect/base/error.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/sensing/unrolled.hpp"

namespace unrect {
namespace {

DataRequest digits(LearningTask task) {
  DataRequest request;
  request.task = task;
  request.data = "digits";
  request.samples = 60;
  request.validation = 20;
  if (task == LearningTask::kRecovery) request.measurements = 12;
  return request;
}

TEST(TrainingData, IsTheSameForASeedAndSplitAsAsked) {
  const DataRequest request = digits(LearningTask::kClassify);
  const TrainingData data = read_training_data(request);
  EXPECT_EQ(data.train.size(), 60);
  EXPECT_EQ(data.validation.size(), 20);
  EXPECT_EQ(data.train.inputs.cols(), 784);
  EXPECT_EQ(data.train.targets.cols(), 10);
  EXPECT_EQ(data.loss.kind, Loss::Kind::kCrossEntropy);
  EXPECT_EQ(read_training_data(request).train.inputs, data.train.inputs);
  DataRequest other = request;
  other.seed = 1;
  EXPECT_NE(read_training_data(other).train.inputs, data.train.inputs);
}

TEST(TrainingData, OfARecoveryIsMeasured) {
  const TrainingData data = read_training_data(digits(LearningTask::kRecovery));
  ASSERT_EQ(data.sensing.rows(), 12);
  const MatrixOf<float> measured = (data.train.targets.cast<double>() * data.sensing.transpose()).cast<float>();
  EXPECT_EQ(data.train.inputs, measured);
  EXPECT_TRUE(data.relu_output);
}

TEST(TrainingData, RefusesWhatDoesNotGoTogether) {
  DataRequest regress = digits(LearningTask::kRegress);
  EXPECT_THROW(read_training_data(regress), Error);
  DataRequest teachers = digits(LearningTask::kClassify);
  teachers.teachers = {"pupil.onnx"};
  EXPECT_THROW(read_training_data(teachers), Error);
  DataRequest none = digits(LearningTask::kRecovery);
  none.measurements = 785;
  EXPECT_THROW(read_training_data(none), Error);
}

TEST(Recipe, HasTheTasksDefaultsUnlessTheyAreWishedOtherwise) {
  const DataRequest request = digits(LearningTask::kClassify);
  const TrainingData data = read_training_data(request);
  const Recipe plain = recipe_for(request, data);
  EXPECT_EQ(learned_layers(plain.start), 3);
  EXPECT_EQ(plain.options.rate, 1);
  EXPECT_EQ(plain.options.damping, 10);
  EXPECT_EQ(plain.options.decay, 1e-3);
  EXPECT_EQ(plain.options.loss.kind, Loss::Kind::kCrossEntropy);
  const Recipe deep = recipe_for(request, data, {.layers = {8, 8, 8}});
  EXPECT_EQ(deep.options.rate, 0.3);
  RecipeOptions wishes;
  wishes.train.damping = 0.3;
  wishes.decay = 0;
  wishes.batch = 7;
  const Recipe chosen = recipe_for(request, data, wishes);
  EXPECT_EQ(chosen.options.rate, 0) << "the method's own";
  EXPECT_EQ(chosen.options.damping, 0.3);
  EXPECT_EQ(chosen.options.decay, 0);
  EXPECT_EQ(chosen.options.batch, 7);
  RecipeOptions adam;
  adam.train.method = Method::kAdam;
  EXPECT_EQ(recipe_for(request, data, adam).options.decay, 0);
  EXPECT_THROW(recipe_for(request, data, {.log_scale = 1}), Error);
  EXPECT_THROW(recipe_for(request, data, {.consistency = 1}), Error);
}

TEST(Recipe, WhatItSaysOfItsDefaultsHasTheirNumbers) {
  const auto says = [](std::string_view field, double number) {
    return (" " + std::string(RecipeOptions::otherwise(field)) + ";").find(" " + option_text(number)) !=
           std::string::npos;
  };
  const UsualOptions images = usual_options({.images = true, .renewed = true, .steps = 1});
  const UsualOptions classes = usual_options({.task = LearningTask::kClassify, .layers = 3});
  const UsualOptions deep = usual_options({.task = LearningTask::kClassify, .layers = 4});
  for (const double rate : {images.rate, classes.rate, deep.rate}) EXPECT_TRUE(says("rate", rate)) << rate;
  for (const double damping : {images.damping, classes.damping, TrainOptions{}.damping_of()})
    EXPECT_TRUE(says("damping", damping)) << damping;
  EXPECT_TRUE(says("trust", images.trust));
  EXPECT_TRUE(says("decay", classes.decay));
  EXPECT_TRUE(says("batch", static_cast<double>(images.batch)));
  // What they depend on: the method, a budget, samples that are ever new.
  const UsualOptions adam = usual_options({.task = LearningTask::kClassify, .method = Method::kAdam});
  EXPECT_EQ(adam.decay + adam.rate + adam.damping, 0);
  EXPECT_EQ(usual_options({.task = LearningTask::kClassify, .budget = true}).damping, 0);
  EXPECT_EQ(usual_options({.renewed = true}).decay, 0);
  EXPECT_EQ(usual_options({}).decay, classes.decay);
  EXPECT_LT(usual_options({.images = true, .renewed = true, .steps = 900}).trust, images.trust);
}

TEST(Recipe, TasksHaveNames) {
  for (const LearningTask task : {LearningTask::kRecovery, LearningTask::kClassify, LearningTask::kRegress})
    EXPECT_EQ(task_named(name_of(task)), task);
  EXPECT_EQ(name_of(LearningTask::kRegress), "regress");
  EXPECT_THROW(task_named("classes"), Error);
}

TEST(Recipe, KeepsWhatKnowsTheOperator) {
  const DataRequest request = digits(LearningTask::kRecovery);
  const TrainingData data = read_training_data(request);
  EXPECT_TRUE(recipe_for(request, data).options.fixed.empty());
  const Recipe met = recipe_for(request, data, {.layers = {16}, .consistency = 2});
  EXPECT_EQ(met.options.fixed.size(), 4U);
  // A network that is read again keeps them, too.
  DataRequest again = request;
  again.start = std::filesystem::temp_directory_path() / ("unrect_recipe_" + std::to_string(::getpid()) + ".onnx");
  write_network(again.start, met.start, ExportPrecision::kFloat32);
  const Recipe resumed = recipe_for(again, data);
  EXPECT_EQ(resumed.options.fixed.size(), 4U);
  EXPECT_TRUE(resumed.options.warm_start);
  std::filesystem::remove(again.start);
}

TEST(Recipe, OfImagesLearnsTheKernelsAlone) {
  DataRequest request;
  request.data = "leaves";
  request.measurements = 109;
  request.phases = 1;
  request.channels = 2;
  request.crop = 33;
  request.samples = 4;
  const TrainingData data = read_training_data(request);
  ASSERT_TRUE(data.images);
  const Recipe recipe = recipe_for(request, data);
  EXPECT_EQ(recipe.options.batch, 4);
  EXPECT_EQ(recipe.options.rate, 0.4);
  EXPECT_GT(recipe.options.trust, 0);
  EXPECT_EQ(data.images->network.learned.size(), Unrolled::kKernels);
  EXPECT_EQ(recipe.options.fixed, data.images->network.fixed);
  EXPECT_FALSE(recipe.options.fixed.empty());
  EXPECT_EQ(data.parameters(recipe.start), data.images->start.parameters());
  RecipeOptions lbfgs;
  lbfgs.train.method = Method::kLbfgs;
  EXPECT_THROW(recipe_for(request, data, lbfgs), Error);
}

}  // namespace
}  // namespace unrect
