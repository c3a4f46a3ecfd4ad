// From the files of a task to training, validation and test sets.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "unrect/lifted/loss.hpp"
#include "unrect/sensing/unrolled.hpp"
#include "unrect/train/samples.hpp"

namespace unrect {

enum class LearningTask { kRecovery, kClassify, kRegress };

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
  // A folder of images or with MNIST's IDX files, "x.npy", "x.npy,y.npy"; generated: "spiral", "digits", "leaves".
  std::string data;
  Index samples = 0;                // of the training set; 0 for all that are left
  std::optional<Index> validation;  // held out of the training data; not given: a tenth, at most 1000
  Index measurements = 0;           // recovery: rows of Φ ~ N(0, 1/m)
  std::filesystem::path phi;        // recovery: Φ from a file instead
  double augment = 0;           // recovery of pictures: how far they are bent, 1 as Deformation's own; 0: not at all
  bool any_operator = false;    // images: Φ is another one in every epoch, and so is its ratio
  std::filesystem::path start;  // images: the network to start from; "" for random kernels
  std::vector<std::filesystem::path> teachers;  // recovery: the mean of what they recover is the training's targets
  std::optional<int> phases;                    // images: of the network; as many as `start` has, or 4
  std::optional<Index> channels;                // images: of its convolutions; 32
  std::optional<Index> crop;                    // images: side of what is learned from; 124, or what they hold
  std::uint64_t seed = 0;
};

/// Recovery: inputs y = Φx, targets x in [0, 1]; of images, crops are measured block by block, a twentieth of the
/// images is held out and gives validation and test. Classification: one-hot targets. Files without a test set of their
/// own give a tenth of their rows. @throws Error naming the file, what it holds and what was expected.
TrainingData read_training_data(const DataRequest& request);

}  // namespace unrect
