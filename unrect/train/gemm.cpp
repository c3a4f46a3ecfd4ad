#include "unrect/train/internal/gemm.hpp"

#include <fmt/format.h>
#include <dnnl.hpp>

#include "unrect/base/error.hpp"

// Of GCC's OpenMP, that oneDNN runs on. The number is the calling thread's own.
extern "C" int omp_get_max_threads();
extern "C" void omp_set_num_threads(int);

namespace unrect {

OnThisThread::OnThisThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OnThisThread::~OnThisThread() { omp_set_num_threads(before_); }

bool multiplies_bfloat16() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (isa & needed) == needed;
}

void gemm(const FloatRef& a, Transpose of_a, const FloatRef& b, Transpose of_b, FloatOut c, float alpha, float beta) {
  const OnThisThread alone;
  const bool ta = of_a == Transpose::kYes;
  const bool tb = of_b == Transpose::kYes;
  const Index inner = ta ? a.rows() : a.cols();
  UNRECT_REQUIRE((ta ? a.cols() : a.rows()) == c.rows() && (tb ? b.rows() : b.cols()) == c.cols() &&
                     (tb ? b.cols() : b.rows()) == inner,
                 ErrorCode::kInvalidArgument, "a product of {}×{}{} and {}×{}{} into {}×{}", a.rows(), a.cols(),
                 ta ? "ᵀ" : "", b.rows(), b.cols(), tb ? "ᵀ" : "", c.rows(), c.cols());
  if (c.size() == 0) return;
  const dnnl_status_t status = dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', c.rows(), c.cols(), inner, alpha, a.data(),
                                          a.outerStride(), b.data(), b.outerStride(), beta, c.data(), c.outerStride());
  UNRECT_REQUIRE(status == dnnl_success, ErrorCode::kUnsupported, "oneDNN failed with status {} on a product",
                 static_cast<int>(status));
}

}  // namespace unrect
