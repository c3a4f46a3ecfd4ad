// From the files of a task to training, validation and test sets.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "unrect/learn/loss.hpp"
#include "unrect/learn/samples.hpp"

namespace unrect::cli {

enum class Task { kRecovery, kClassify, kRegress };

struct TrainingData {
  Samples train, validation, test;
  Loss loss;
  bool relu_output = false;  // targets are nowhere negative and often 0
  Matrix sensing;            // Φ (m × n) of a recovery, else empty
};

struct DataRequest {
  Task task = Task::kRecovery;
  std::string data;                 // a folder with MNIST's IDX files, "x.npy", "x.npy,y.npy" or "spiral"
  Index samples = 0;                // of the training set; 0 for all that are left
  std::optional<Index> validation;  // held out of the training data; not given: a tenth, at most 1000
  Index measurements = 0;           // recovery: rows of Φ ~ N(0, 1/m)
  std::filesystem::path phi;        // recovery: Φ from a file instead
  std::uint64_t seed = 0;
};

/// Recovery: inputs y = Φx, targets x in [0, 1]. Classification: one-hot targets. Files without a test set of their own
/// give a tenth of their rows. @throws Error naming the file, what it holds and what was expected.
TrainingData read_training_data(const DataRequest& request);

}  // namespace unrect::cli
