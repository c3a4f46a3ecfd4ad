// The walls on the way down the recursion: the forms that vanish on them, and which side of each the cell is on.
#pragma once

#include <span>
#include <vector>

#include "unrect/forms/hyperplane.hpp"
#include "unrect/partition/internal/doubt.hpp"
#include "unrect/partition/internal/prepared.hpp"
#include "unrect/partition/internal/stage_forms.hpp"

namespace unrect {

/// The domain's sides, then the walls that were cut, one below the other. A cell speaks of walls by their place here.
class Walls {
 public:
  /// The box's 2k sides are there at once. Both must outlive this.
  Walls(const Refinement::Prepared& prepared, const StageForms& forms);

  const std::vector<Hyperplane>& all() const { return walls_; }
  const Hyperplane& operator[](int w) const { return walls_[static_cast<std::size_t>(w)]; }
  std::size_t size() const { return walls_.size(); }
  void push(const Hyperplane& wall) { walls_.push_back(wall); }
  /// Only the first `size` walls are left.
  void drop_to(std::size_t size);
  /// From now on the cell is on the other side of the last wall.
  void turn_last() { forget_sides(walls_.size() - 1); }

  /// The form that vanishes on a wall, k + 1 numbers; its doubt anywhere in the domain.
  Doubt form_of(const Hyperplane& wall, double* form) const;
  /// The side of a wall on which the region is, by its pieces.
  int side_of(const Hyperplane& wall) const;

  /// How far a point may go, all coordinates' changes added up, before it meets one of these walls, by their forms and
  /// errors in double; −1 if it is not clearly on the region's side of all of them. Only for a region.
  double clearance(const Vector& point, std::span<const int> around);

 private:
  void forget_sides(std::size_t wall);
  void learn_sides();

  const Refinement::Prepared& p_;
  const StageForms& forms_;
  Index k_;
  std::vector<Hyperplane> walls_;
  // What clearance() asks of the first known_ walls, k + 3 numbers each: the form, positive on the region's side; twice
  // its error; how fast it can fall. Regions that follow each other share most walls.
  std::vector<double> sides_;
  std::size_t known_ = 0;
};

}  // namespace unrect
