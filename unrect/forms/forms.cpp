#include "unrect/forms/internal/forms.hpp"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include <limits>

#include "unrect/forms/internal/lanes.hpp"

namespace unrect {
namespace {

using lanes::all;
using lanes::kWidth;
using lanes::Lane;
using lanes::load;
using lanes::multiply_add;
using lanes::store;

// Values of one register of forms over the points. kDimension 0: any.
struct Range {
  Lane lowest, highest, gradient;  // gradient: Σ_d |∂z/∂t_d|
};

template <int kDimension>
[[gnu::always_inline]] inline Range range_of(const Forms& forms, const PointRows& points, Index unit) {
  const Index k = kDimension > 0 ? kDimension : forms.dimension();
  Lane c[kDimension + 1];
  if constexpr (kDimension > 0) {
#pragma GCC unroll 8
    for (int d = 0; d <= kDimension; ++d) c[d] = load(forms.row(d) + unit);
  }
  Lane lowest = all(std::numeric_limits<double>::infinity());
  Lane highest = all(-std::numeric_limits<double>::infinity());
  for (Index v = 0; v < points.count; ++v) {
    Lane z = kDimension > 0 ? c[kDimension] : load(forms.row(k) + unit);
#pragma GCC unroll 8
    for (Index d = 0; d < k; ++d) {
      z = multiply_add(kDimension > 0 ? c[d] : load(forms.row(d) + unit), all(points.rows[d * points.stride + v]), z);
    }
    lowest = Eigen::internal::pmin(z, lowest);
    highest = Eigen::internal::pmax(z, highest);
  }
  Lane gradient = all(0.0);
#pragma GCC unroll 8
  for (Index d = 0; d < k; ++d) {
    gradient =
        Eigen::internal::padd(gradient, Eigen::internal::pabs(kDimension > 0 ? c[d] : load(forms.row(d) + unit)));
  }
  return {lowest, highest, gradient};
}

// Bit l: a_l > b_l.
std::uint64_t greater(const Lane& a, const Lane& b) {
#ifdef __AVX512F__
  return _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ);
#else
  double x[kWidth];
  double y[kWidth];
  store(x, a);
  store(y, b);
  std::uint64_t bits = 0;
  for (int l = 0; l < kWidth; ++l) bits |= std::uint64_t{x[l] > y[l]} << l;
  return bits;
#endif
}

template <int kDimension>
void range_lanes(const Forms& forms, const PointRows& points, double* low, double* high) {
  for (Index unit = 0; unit < forms.stride(); unit += kWidth) {
    const auto [lowest, highest, gradient] = range_of<kDimension>(forms, points, unit);
    store(low + unit, lowest);
    store(high + unit, highest);
  }
}

template <int kDimension>
void sides_lanes(const Forms& forms, const PointRows& points, const double* error, const double* gradient_error,
                 double delta, std::uint64_t* above, std::uint64_t* decided) {
  const Lane zero = all(0.0);
  for (Index unit = 0; unit < forms.stride(); unit += kWidth) {
    const auto [lowest, highest, gradient] = range_of<kDimension>(forms, points, unit);
    const Lane doubt =
        multiply_add(Eigen::internal::padd(gradient, load(gradient_error + unit)), all(delta), load(error + unit));
    const std::uint64_t up = greater(lowest, doubt);
    const std::uint64_t down = greater(Eigen::internal::psub(zero, doubt), highest);
    const auto word = static_cast<std::size_t>(unit / 64);
    if (unit % 64 == 0) above[word] = decided[word] = 0;
    above[word] |= up << (unit % 64);
    decided[word] |= (up | down) << (unit % 64);
  }
}

// Calls body.operator()<k>() for the number of dimensions.
template <class Body>
void for_dimension(Index k, const Body& body) {
  switch (k) {
    case 1:
      return body.template operator()<1>();
    case 2:
      return body.template operator()<2>();
    case 3:
      return body.template operator()<3>();
    case 4:
      return body.template operator()<4>();
    case 5:
      return body.template operator()<5>();
    case 6:
      return body.template operator()<6>();
    default:
      return body.template operator()<0>();
  }
}

}  // namespace

void range_over(const Forms& forms, const PointRows& points, double* low, double* high) {
  for_dimension(forms.dimension(), [&]<int kDimension>() { range_lanes<kDimension>(forms, points, low, high); });
}

void sides_over(const Forms& forms, const PointRows& points, const double* error, const double* gradient_error,
                double delta, std::uint64_t* above, std::uint64_t* decided) {
  for_dimension(forms.dimension(), [&]<int kDimension>() {
    sides_lanes<kDimension>(forms, points, error, gradient_error, delta, above, decided);
  });
}

}  // namespace unrect
