// Registers of as many doubles as the machine has, with fused multiply-adds where it has them. Nothing is decided in
// them: the filter's error bounds hold with or without fusing.
#pragma once

#include <Eigen/Core>

#include "unrect/forms/internal/forms.hpp"

namespace unrect::lanes {

using Lane = Eigen::internal::packet_traits<double>::type;
constexpr Index kWidth = sizeof(Lane) / sizeof(double);
static_assert(Forms::kLane % kWidth == 0);

inline Lane load(const double* p) { return Eigen::internal::ploadu<Lane>(p); }
inline void store(double* p, const Lane& v) { Eigen::internal::pstoreu(p, v); }
inline Lane all(double x) { return Eigen::internal::pset1<Lane>(x); }
inline Lane multiply_add(const Lane& a, const Lane& b, const Lane& c) { return Eigen::internal::pmadd(a, b, c); }

}  // namespace unrect::lanes
