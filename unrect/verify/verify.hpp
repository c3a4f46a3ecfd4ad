// Can a requirement be broken anywhere in its domain? A witness that it can, a proof that it cannot, or what is open.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "unrect/base/context.hpp"
#include "unrect/base/options.hpp"
#include "unrect/network/network.hpp"
#include "unrect/verify/certificate.hpp"
#include "unrect/verify/vnnlib.hpp"
#include "unrect/verify/witness.hpp"

namespace unrect {

enum class Verdict {
  kSat,      // it can be broken: the witness is an unsafe input, in exact arithmetic
  kUnsat,    // it holds: no input of the domain is unsafe, proved with every rounding paid for
  kUnknown,  // neither; `reason` says why
  kTimeout,
};
std::string_view to_string(Verdict verdict);

struct VerifyOptions {
  double time_limit = 0;
  bool certificate = false;

  template <class Self, class Field>
  static void visit(Self& o, Field&& field) {
    field(o.time_limit, {"time_limit", "seconds after which to give up; 0: never", between(0, 1e9)});
    field(o.certificate, {"certificate", "find what check_certificate() accepts, of sat and of unsat"});
  }
};

struct VerifyResult {
  Verdict verdict = Verdict::kUnknown;
  std::optional<Witness> witness;
  std::uint64_t nodes = 0;
  double gap = 0;  // of what is open: how far below zero its lowest bound is
  double seconds = 0;
  std::string reason;
  std::optional<Certificate> certificate;  // where it was asked for and found within the time limit
};

/// Decides whether some input has an unsafe output: about the network as a function of real numbers, whose weights are
/// the numbers of its file. Give it the network as its file has it: read without folding, which rounds products.
/// @throws Error kInvalidArgument for a property of another network.
VerifyResult verify(const Network& network, const Property& property, const VerifyOptions& options = {},
                    const Context& context = {});

}  // namespace unrect
