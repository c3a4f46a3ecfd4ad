// Mixed-integer programs in the files that solvers read and write.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unrect/base/types.hpp"

namespace unrect {

/// min Σ cost · x, rows Σ coefficient · x = or ≤ right, lower ≤ x ≤ upper, some x whole numbers.
struct Mip {
  struct Variable {
    std::string name;
    double lower = 0, upper = 0;  // infinite: none
    double cost = 0;
    bool integer = false;
  };
  struct Row {
    std::string name;
    std::vector<std::pair<int, double>> terms;  // variable, coefficient; each variable once
    bool equal = true;
    double right = 0;
  };
  std::vector<Variable> variables;
  std::vector<Row> rows;
  std::vector<std::string> remarks{};  // lines that the files begin with

  /// The new variable's number.
  int add(std::string name, double lower, double upper, double cost = 0, bool integer = false);
  Index entries() const;  // coefficients of all rows
};

/// How far x is from what a row asks for, one a row: |Σ − right|, or Σ − right where that is above 0.
Vector row_residuals(const Mip& mip, const VectorRef& x);

/// Free-format MPS and CPLEX LP text; numbers read back to the same doubles. Solvers number the variables as they stand
/// here.
std::string format_mps(const Mip& mip);
std::string format_lp(const Mip& mip);
/// By the name's ending, .mps or .lp. @throws Error kInvalidArgument for another, kFile.
void write_mip(const std::filesystem::path& path, const Mip& mip);

struct MipSolution {
  std::string status;  // in the solver's word
  Vector values;       // of the variables
};
/// What Cbc's `solution FILE` writes (names, zeros left out), or GLPK's `glpsol -w FILE` (numbers of the variables, as
/// the file that it read has them). @throws Error kFormat naming file, line and what was expected there: for another
/// format, a name that the program does not have, a value that is not finite.
MipSolution parse_mip_solution(std::string_view text, std::string_view name, const Mip& mip);

}  // namespace unrect
