// Products of float matrices.
#pragma once

#include "unrect/base/types.hpp"

namespace unrect {

using FloatMatrix = MatrixOf<float>;
using FloatVector = VectorOf<float>;
using FloatRef = MatrixRefOf<float>;
using FloatOut = Eigen::Ref<FloatMatrix, 0, Eigen::OuterStride<>>;

enum class Transpose { kNo, kYes };

/// C ← α op(A) op(B) + β C by oneDNN on the calling thread: equal arguments give equal bits. @throws Error
/// kInvalidArgument for shapes that do not chain.
void gemm(const FloatRef& a, Transpose of_a, const FloatRef& b, Transpose of_b, FloatOut c, float alpha = 1,
          float beta = 0);

/// What convolutions multiply; sums are float32. Bfloat16 keeps 8 bits of its factors; where the processor cannot, it
/// is float32 all through.
enum class Products { kFloat32, kBfloat16 };
bool multiplies_bfloat16();

/// While it lives oneDNN keeps to the calling thread: our threads share the work among themselves. The number of OpenMP
/// threads that the caller had set is the caller's again afterwards.
class OnThisThread {
 public:
  OnThisThread();
  ~OnThisThread();
  OnThisThread(OnThisThread&&) = delete;

 private:
  int before_;
};

/// The next multiple of 16 floats, one cache line: row strides of everything that gemm reads often.
constexpr Index padded(Index cols) { return (cols + 15) / 16 * 16; }

}  // namespace unrect
