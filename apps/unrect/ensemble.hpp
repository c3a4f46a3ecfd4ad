// Several networks asked the same: the mean of their answers.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "unrect/learn/model.hpp"

namespace unrect::cli {

class Ensemble {
 public:
  /// @throws Error, naming `option` and the file, for what is no network inputs → outputs.
  Ensemble(const std::vector<std::filesystem::path>& files, Index inputs, Index outputs, const std::string& option);

  bool empty() const { return networks_.empty(); }
  /// One sample a row, in float32.
  MatrixOf<float> operator()(const MatrixOf<float>& inputs) const;

 private:
  Index outputs_;
  std::vector<Model> networks_;
};

}  // namespace unrect::cli
