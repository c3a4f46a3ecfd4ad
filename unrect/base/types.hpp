// Matrix aliases. Row-major, one sample (or one inequality, or one unit) per row: numpy's and ONNX's own layout.
#pragma once

#include <Eigen/Core>

// The library was compiled with these; other settings would lay out its types otherwise.
static_assert(
    EIGEN_MAX_ALIGN_BYTES == 64,
    "unrect: compile with -DEIGEN_MAX_ALIGN_BYTES=64, as find_package(unrect) sets it: the library's types hold "
    "Eigen's, whose alignment depends on it");

namespace unrect {

using Index = Eigen::Index;

template <class Scalar>
using MatrixOf = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class Scalar>
using VectorOf = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

using Matrix = MatrixOf<double>;
using Vector = VectorOf<double>;

// Read-only arguments: binds to matrices, blocks and maps of numpy memory without a copy.
template <class Scalar>
using MatrixRefOf = Eigen::Ref<const MatrixOf<Scalar>, 0, Eigen::OuterStride<>>;
template <class Scalar>
using VectorRefOf = Eigen::Ref<const VectorOf<Scalar>>;
using MatrixRef = MatrixRefOf<double>;
using VectorRef = VectorRefOf<double>;

}  // namespace unrect
