// From the files of a task to training, validation and test sets.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/base/options.hpp"
#include "unrect/lifted/loss.hpp"
#include "unrect/sensing/unrolled.hpp"
#include "unrect/train/samples.hpp"

namespace unrect {

enum class LearningTask { kRecovery, kClassify, kRegress };
/// "recovery", "classify", "regress".
std::string_view name_of(LearningTask task);
/// @throws Error kInvalidArgument for another name, listing those.
LearningTask task_named(std::string_view name);

/// Recovery of images: a network that is laid out for crops.
struct ImageRecovery {
  Unrolled start;
  UnrolledNetwork network;
  std::function<Network(int epoch)> relay;  // for networks that are to work with any Φ

  Unrolled unrolled_of(const Network& trained) const {
    return ::unrect::unrolled_of(trained, network.learned, start.statistics);
  }
};

struct TrainingData {
  Samples train, validation, test;
  Loss loss;
  bool relu_output = false;                 // targets are nowhere negative and often 0
  Matrix sensing;                           // Φ (m × n) of a recovery, else empty
  std::function<Samples(int epoch)> renew;  // other samples for other epochs; `train` has epoch 0's
  std::optional<ImageRecovery> images;
  std::vector<Index> extents;  // of one sample as the data have it: {28, 28} of a picture, {256} of a signal

  /// Numbers of such a network that are learned.
  Index parameters(const Network& network) const {
    return images ? images->unrolled_of(network).parameters() : network.parameters();
  }
};

struct DataRequest {
  LearningTask task = LearningTask::kRecovery;
  std::string data;
  Index samples = 0;
  std::optional<Index> validation{};
  Index measurements = 0;
  std::filesystem::path phi{};
  double augment = 0;
  bool any_operator = false;
  std::filesystem::path start{};
  std::vector<std::filesystem::path> teachers{};
  std::optional<int> phases{};
  std::optional<Index> channels{};
  std::optional<Index> crop{};
  std::uint64_t seed = 0;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.task, {"task", "recovery: x from y = Φx; classify; regress"});
    field(o.data,
          {"data",
           "a folder of images (recovery) or with MNIST, x.npy (recovery), x.npy,y.npy; generated: spiral, digits, "
           "leaves (recovery of images)"});
    field(o.samples, {"samples", "training samples", between(0, 0x1p31), otherwise("samples")});
    field(o.validation, {"validation", "training samples held out to choose the best epoch by", at_least(0),
                         otherwise("validation")});
    field(o.measurements,
          {"measurements", "recovery: rows of Φ, drawn from N(0, 1/m); images: orthonormal ones, for every block",
           at_least(0), "as many as phi has"});
    field(o.phi, {"phi", "recovery: Φ itself, m × n, .npy"});
    field(o.augment,
          {"augment", "recovery of pictures: bend them anew every epoch; 1 as far as digits bear, 0 not at all",
           between(0, 10)});
    field(o.any_operator,
          {"any_operator",
           "images: learn for any Φ and noise: another one of 1 to 50 % in every epoch, σ up to 0.1 in every other"});
    field(o.start, {"start", "start from this network's weights instead of random ones"});
    field(o.teachers,
          {"teachers", "recovery: learn the mean of what these networks recover, not the signals themselves"});
    field(o.phases,
          {"phases", "images: phases of the network; more than the start has: further ones that add but W r yet",
           between(1, 64), otherwise("phases")});
    field(o.channels, {"channels", "images: channels of its convolutions", between(1, 1024), otherwise("channels")});
    field(o.crop, {"crop", "images: side of the crops to learn from; blocks that reach beyond teach what an edge is",
                   between(3, 4096), otherwise("crop")});
    field(o.seed, {"seed", "seed of Φ, samples, start weights and shuffling"});
  }
  /// In words what stands where a field is left empty or at 0.
  static std::string_view otherwise(std::string_view field);
};

/// Recovery: inputs y = Φx, targets x in [0, 1]; of images, crops are measured block by block, a twentieth of the
/// images is held out and gives validation and test. Classification: one-hot targets. Files without a test set of their
/// own give a tenth of their rows. @throws Error naming the file, what it holds and what was expected.
TrainingData read_training_data(const DataRequest& request);

}  // namespace unrect
