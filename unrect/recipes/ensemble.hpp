// Several networks asked the same: the mean of their answers.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "unrect/network/network_file.hpp"

namespace unrect {

/// Where a file says for which Φ it was trained.
inline constexpr const char* kPhi = "unrect.phi";
/// That: Φ's extents and a fingerprint.
Metadata about_operator(const Matrix& phi);

class Ensemble {
 public:
  /// Networks that recover x from Φx. @throws Error, naming the file, for what is none, or says that it was trained for
  /// another Φ.
  Ensemble(const std::vector<std::filesystem::path>& files, const Matrix& phi);

  bool empty() const { return !mean_; }
  /// One sample a row, in float32; not of an empty one.
  MatrixOf<float> operator()(const MatrixOf<float>& inputs) const;

 private:
  std::shared_ptr<const class Model> mean_;
};

}  // namespace unrect
