// Large sparse linear programs, with free variables and ranges: Clp behind the library's own result type.
#pragma once

#include <memory>
#include <vector>

#include "unrect/polytope/lp.hpp"

namespace unrect {

struct SparseEntry {
  Index row = 0;
  Index column = 0;
  double value = 0;
};

/// row_lower ≤ G x ≤ row_upper, lower ≤ x ≤ upper; ±∞ for a side that is not there.
struct SparseRows {
  std::vector<SparseEntry> entries;  // at most one for each place
  Vector row_lower, row_upper;       // m
  Vector lower, upper;               // n
};

/// min or max c·x over SparseRows, warm-started from the last solve.
/// In the result row_duals y_i > 0 belongs to row_upper, y_i < 0 to row_lower, safe_bound is charged accordingly.
class SparseLp {
 public:
  /// @throws Error kInvalidArgument for sizes that disagree or entries out of range.
  explicit SparseLp(const SparseRows& rows);
  SparseLp(SparseLp&&) noexcept;
  SparseLp& operator=(SparseLp&&) noexcept;
  ~SparseLp();

  Index dimension() const;
  Index size() const;
  void set_bounds(Index column, double lower, double upper);
  void set_row_bounds(Index row, double lower, double upper);

  LpResult minimize(const VectorRef& cost);
  LpResult maximize(const VectorRef& cost);

 private:
  struct Model;
  std::unique_ptr<Model> model_;
};

}  // namespace unrect
