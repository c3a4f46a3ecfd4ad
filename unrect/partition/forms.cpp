#include "unrect/partition/forms.hpp"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include <limits>
#include <vector>

namespace unrect {
namespace {

// Registers of as many doubles as the machine has, with fused multiply-adds where it has them. Nothing is decided
// here: the filter's error bounds hold with or without fusing.
using Lane = Eigen::internal::packet_traits<double>::type;
constexpr int kWidth = sizeof(Lane) / sizeof(double);
static_assert(Forms::kLane % kWidth == 0);

Lane load(const double* p) { return Eigen::internal::ploadu<Lane>(p); }
void store(double* p, const Lane& v) { Eigen::internal::pstoreu(p, v); }
Lane all(double x) { return Eigen::internal::pset1<Lane>(x); }
Lane multiply_add(const Lane& a, const Lane& b, const Lane& c) { return Eigen::internal::pmadd(a, b, c); }

// kRows coefficients of kLanes registers of units at once, held there while the active columns pass by.
template <int kRows, int kLanes>
void add_block(const Link& link, std::span<const Index> active, const Forms& a, Index row, const Forms& base,
               Forms& out, Index unit) {
  Lane sum[kRows][kLanes];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int l = 0; l < kLanes; ++l) sum[r][l] = load(base.row(row + r) + unit + kWidth * l);
  }
  const double* columns = link.columns.data() + unit;
  const Index stride = link.columns.cols();
  const double* coefficients = a.row(row);
  const Index step = a.stride();
  for (const Index j : active) {
    const double* column = columns + j * stride;
    Lane weight[kLanes];
#pragma GCC unroll 8
    for (int l = 0; l < kLanes; ++l) weight[l] = load(column + kWidth * l);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Lane c = all(coefficients[r * step + j]);
#pragma GCC unroll 8
      for (int l = 0; l < kLanes; ++l) sum[r][l] = multiply_add(weight[l], c, sum[r][l]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int l = 0; l < kLanes; ++l) store(out.row(row + r) + unit + kWidth * l, sum[r][l]);
  }
}

template <int kRows, int kLanes>
void add_rows(const Link& link, std::span<const Index> active, const Forms& a, Index row, const Forms& base,
              Forms& out) {
  Index unit = 0;
  for (; unit + kWidth * kLanes <= out.stride(); unit += kWidth * kLanes) {
    add_block<kRows, kLanes>(link, active, a, row, base, out, unit);
  }
  if constexpr (kLanes > 1) {
    for (; unit + kWidth * 2 <= out.stride(); unit += kWidth * 2) {
      add_block<kRows, 2>(link, active, a, row, base, out, unit);
    }
  }
  for (; unit < out.stride(); unit += kWidth) add_block<kRows, 1>(link, active, a, row, base, out, unit);
}

// Few columns: each coefficient's targets in turn.
void add_few(const Link& link, std::span<const Index> active, const Forms& a, Forms& out) {
  const Index rows = out.dimension() + 1;
  for (const Index j : active) {
    const auto first = static_cast<std::size_t>(link.start[static_cast<std::size_t>(j)]);
    const auto last = static_cast<std::size_t>(link.start[static_cast<std::size_t>(j) + 1]);
    for (Index d = 0; d < rows; ++d) {
      const double c = a.row(d)[j];
      if (c == 0) continue;
      double* target = out.row(d);
      for (std::size_t e = first; e < last; ++e) target[link.row[e]] += link.weight[e] * c;
    }
  }
}

// Many columns: a unit's kRows coefficients side by side, so that a weight is one short vector operation.
template <int kRows>
void add_many(const Link& link, std::span<const Index> active, const Forms& a, Forms& out) {
  const Index rows = out.dimension() + 1;
  thread_local std::vector<double> scratch;
  scratch.assign(static_cast<std::size_t>(out.size() * kRows), 0.0);
  double* const sums = scratch.data();
  for (const Index j : active) {
    double c[kRows] = {};
    for (Index d = 0; d < rows; ++d) c[d] = a.row(d)[j];
    const auto first = static_cast<std::size_t>(link.start[static_cast<std::size_t>(j)]);
    const auto last = static_cast<std::size_t>(link.start[static_cast<std::size_t>(j) + 1]);
    for (std::size_t e = first; e < last; ++e) {
      double* const target = sums + link.row[e] * kRows;
      const double w = link.weight[e];
      for (int d = 0; d < kRows; ++d) target[d] += w * c[d];
    }
  }
  for (Index d = 0; d < rows; ++d) {
    double* const target = out.row(d);
    for (Index i = 0; i < out.size(); ++i) target[i] += sums[i * kRows + d];
  }
}

void add_sparse(const Link& link, std::span<const Index> active, const Forms& a, Forms& out) {
  const Index rows = out.dimension() + 1;
  const std::size_t entries = active.size() * link.weight.size() / link.start.size();  // about
  if (rows > 8 || entries < 2 * static_cast<std::size_t>(out.size())) return add_few(link, active, a, out);
  if (rows <= 4) return add_many<4>(link, active, a, out);
  add_many<8>(link, active, a, out);
}

// Values of one register of forms over the points. kDimension 0: any.
struct Range {
  Lane lowest, highest, gradient;  // gradient: Σ_d |∂z/∂t_d|
};

template <int kDimension>
Range range_of(const Forms& forms, const PointRows& points, Index unit) {
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

void add_columns(const Link& link, std::span<const Index> active, const Forms& a, const Forms& base, Forms& out) {
  if (!link.dense()) {
    if (&out != &base) out = base;
    add_sparse(link, active, a, out);
    return;
  }
  const Index rows = out.dimension() + 1;
  Index row = 0;
  for (; row + 6 < rows; row += 4) add_rows<4, 4>(link, active, a, row, base, out);
  switch (rows - row) {
    case 1:
      return add_rows<1, 8>(link, active, a, row, base, out);
    case 2:
      return add_rows<2, 8>(link, active, a, row, base, out);
    case 3:
      return add_rows<3, 8>(link, active, a, row, base, out);
    case 4:
      return add_rows<4, 4>(link, active, a, row, base, out);
    case 5:
      return add_rows<5, 4>(link, active, a, row, base, out);
    default:
      return add_rows<6, 4>(link, active, a, row, base, out);
  }
}

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
