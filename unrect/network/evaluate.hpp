// Forward passes, in double or float.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "unrect/network/network.hpp"

namespace unrect {

/// The nodes' ops with their parameters rounded to Scalar; nodes that share parameters share these.
template <class Scalar>
std::vector<std::shared_ptr<const OpOf<Scalar>>> converted_ops(const Network& network);
extern template std::vector<std::shared_ptr<const OpOf<float>>> converted_ops<float>(const Network&);
extern template std::vector<std::shared_ptr<const OpOf<double>>> converted_ops<double>(const Network&);

/// Runs a network on batches; parameters and values are held in `Scalar`, products summed in double. Owns the converted
/// parameters.
template <class Scalar>
class Evaluator {
 public:
  explicit Evaluator(const Network& network);

  /// Y = M(X), one sample a row; X: N × n_0, Y: N × n_L. @throws Error kInvalidArgument for a wrong width or a NaN.
  MatrixOf<Scalar> operator()(const MatrixRefOf<Scalar>& samples) const;

 private:
  Network network_;
  std::vector<std::shared_ptr<const OpOf<Scalar>>> ops_;
  std::vector<std::size_t> last_use_;  // the last node that reads each value
  Index widest_ = 1;                   // elements of the largest value
};

extern template class Evaluator<float>;
extern template class Evaluator<double>;

/// M(x) in double.
Vector evaluate(const Network& network, const VectorRef& x);

}  // namespace unrect
