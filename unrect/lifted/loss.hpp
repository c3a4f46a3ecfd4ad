// What training minimises.
#pragma once

#include <string_view>

#include "unrect/base/options.hpp"
#include "unrect/base/types.hpp"

namespace unrect {

/// f(y, x), summed over the entries of a row: ½(y − x)², Huber's ½e² up to |e| = delta and delta(|e| − delta/2) beyond,
/// or of a row with n entries: the cross-entropy −Σ x log softmax(y), or ½ n delta log(1 + ‖y − x‖² / (n delta)), which
/// is ½‖y − x‖² for errors far below a mean square of delta and counts a PSNR's decibels far above.
struct Loss {
  enum class Kind { kSquared, kHuber, kCrossEntropy, kLogSquared };
  Kind kind = Kind::kSquared;
  double delta = 1;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.kind, {"loss", "squared, huber, cross-entropy or log-squared"});
    field(o.delta, {"delta", "of huber and log-squared", above(0)});
  }
};
/// "squared", "huber", "cross-entropy", "log-squared".
std::string_view name_of(Loss::Kind kind);

/// Σ f over the rows of outputs and targets; `gradient` (same shape) becomes ∂f/∂outputs. Summed in double.
template <class Scalar>
double loss(const Loss& kind, const MatrixRefOf<Scalar>& outputs, const MatrixRefOf<Scalar>& targets,
            Eigen::Ref<MatrixOf<Scalar>, 0, Eigen::OuterStride<>> gradient);

extern template double loss<float>(const Loss&, const MatrixRefOf<float>&, const MatrixRefOf<float>&,
                                   Eigen::Ref<MatrixOf<float>, 0, Eigen::OuterStride<>>);
extern template double loss<double>(const Loss&, const MatrixRefOf<double>&, const MatrixRefOf<double>&,
                                    Eigen::Ref<MatrixOf<double>, 0, Eigen::OuterStride<>>);

/// Σ ‖outputs − targets‖² over all entries, in double.
double squared_error(const MatrixRefOf<float>& outputs, const MatrixRefOf<float>& targets);

}  // namespace unrect
