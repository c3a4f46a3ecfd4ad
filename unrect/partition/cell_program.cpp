#include "unrect/partition/internal/cell_program.hpp"

#include <limits>

#include "unrect/partition/internal/doubt.hpp"

namespace unrect {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

}  // namespace

void CellProgram::reset(const Box& box) {
  lp_ = std::make_unique<DenseLp>(box);
  rows_.clear();
}

void CellProgram::follow(const HalfspaceCell& cell) {
  const auto identity = [&](const HalfspaceCell::Side& side) {
    return 2 * walls_.of(side).serial + (side.sign > 0 ? 1 : 0);
  };
  std::size_t same = 0;
  while (same < rows_.size() && same < cell.sides.size() && rows_[same] == identity(cell.sides[same])) ++same;
  while (rows_.size() > same) {
    lp_->pop_row();
    rows_.pop_back();
  }
  const Index k = lp_->dimension();
  for (; same < cell.sides.size(); ++same) {
    const HalfspaceCell::Side& side = cell.sides[same];
    const double* form = walls_.of(side).form.data();
    normal_ = -side.sign * Eigen::Map<const Vector>(form, k);
    lp_->append_row(normal_, side.sign * form[k]);
    rows_.push_back(identity(side));
  }
}

// Each side's true form may be as much below the one in double as its error: a multiplier y takes y times that off the
// bound. The program's safe_bound has charged its own roundings.
bool CellProgram::proves(const HalfspaceCell& cell, const LpResult& result, double constant, double error,
                         std::vector<HalfspaceCell::Side>& used) const {
  used.clear();
  double charge = error;
  for (std::size_t i = 0; i < cell.sides.size(); ++i) {
    const double multiplier = result.row_duals[static_cast<Index>(i)];
    if (!(multiplier > 0)) continue;
    charge += kRoundedUp * multiplier * walls_.of(cell.sides[i]).error;
    used.push_back(cell.sides[i]);
  }
  // The charge is a sum of at most sides + 1 numbers, and as much is added as it can have lost twice over. The sum on
  // the other side is rounded once, which does not take it past the charge: that is a double itself.
  charge += static_cast<double>(cell.sides.size() + 4) * kEpsilon * charge;
  return result.status != LpStatus::kInfeasible && result.safe_bound + constant > charge;
}

}  // namespace unrect
