// Is a certificate a proof? Read this file, check.cpp, referee.cpp, affine_node.cpp and certificate.cpp to believe a
// verdict: they share nothing with the searches but the reading of networks and properties.
#pragma once

#include <string>

#include "unrect/base/context.hpp"
#include "unrect/verify/certificate.hpp"

namespace unrect {

struct CheckResult {
  bool valid = false;
  std::string reason;  // why not, with the step's number
  double seconds = 0;
};

/// Judges a certificate about the network as a function of real numbers, whose weights are those of its file (read
/// without folding): a witness by rational arithmetic, a tree step by step, its bounds in doubles with every rounding
/// charged. That the parts cover the domain follows from the tree's shape: a split's halves share its border.
/// A cancelled check is not valid. @throws Error kInvalidArgument for a property of another network.
CheckResult check_certificate(const Network& network, const Property& property, const Certificate& certificate,
                              const Context& context = {});

}  // namespace unrect
