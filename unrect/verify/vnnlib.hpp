// Properties of networks in files: VNN-LIB 1.0 as the VNN-COMP benchmarks use it (.vnnlib, .vnnlib.gz).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "unrect/polytope/halfspaces.hpp"

namespace unrect {

/// The unsafe pairs of input x and output y of a network: the union of the cases. The property holds if and only if no
/// input gives such a pair; without a case nothing is unsafe.
struct Property {
  /// {(x, y) : x ∈ box ∩ input_rows, and y in one of unsafe_outputs}.
  struct Case {
    Box box;
    Halfspaces input_rows{};                 // the constraints that relate several inputs, often none
    std::vector<Halfspaces> unsafe_outputs;  // one at least; one without rows holds every y
  };

  Index inputs = 0;
  Index outputs = 0;
  std::vector<Case> cases{};
  std::string contradiction{};  // two bounds that leave the first of the cases that were left out no input; often empty

  /// Whether (x, y) is unsafe, with the tolerance of Box and Halfspaces. @throws Error kInvalidArgument for other
  /// sizes.
  bool contains(const VectorRef& x, const VectorRef& y, double tolerance = 0) const;
};

/// @throws Error kInvalidArgument naming the case and the part for a property of other sizes than these, a box or rows
/// of other sizes than the property's, a case without an unsafe set.
void require_sizes(const Property& property, Index inputs, Index outputs);

/// How many inputs and outputs the network has that a property is about; −1: as many as the property declares.
struct NetworkSizes {
  Index inputs = -1;
  Index outputs = -1;
};

/// Reads (declare-const X_i Real), Y_i alike, and (assert F) with F made of and, or, <= and >= over sums, differences
/// and constant multiples; gzip-compressed or not, told by the first bytes. F becomes a disjunction whose terms share a
/// Case if their constraints on inputs are the same; those with an empty box are left out. Numbers are the nearest
/// doubles, arithmetic on them rounds to nearest; a bound of one input that no double is (3 X_0 ≤ 1) is a row, too.
/// @throws Error kFormat naming file, line and what was expected; for an input without a finite bound on either side;
/// for a nesting or a disjunction beyond the limits in vnnlib.cpp. kUnsupported for a row over both inputs and outputs.
/// kInvalidArgument for a variable that `network` does not have, or an input of it that is not declared.
Property parse_vnnlib(std::string_view bytes, std::string_view name, NetworkSizes network = {});
/// @throws Error as parse_vnnlib, and kFile.
Property read_vnnlib(const std::filesystem::path& path, NetworkSizes network = {});

}  // namespace unrect
