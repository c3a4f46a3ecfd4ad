// An input that violates a requirement, and in which arithmetic it does.
#pragma once

#include "unrect/base/types.hpp"

namespace unrect {

/// The input is inside the domain in exact arithmetic, every entry a float32 where its interval holds one.
struct Witness {
  Vector input;
  Vector output;         // of the float32 pass
  bool real = false;     // M(input), without rounding, is in the unsafe set
  bool strict = false;   // … and not on its boundary
  bool float32 = false;  // the float32 pass ends in the unsafe set: sums in the file's order, and sums that round once
  // Every entry is a float32. Where an interval holds none, the float32 pass starts from the nearest, a rounding
  // outside.
  bool representable = false;
};

}  // namespace unrect
