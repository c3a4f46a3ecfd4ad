// The one recursion: the partition of a domain into regions, layer by layer (maths 2.2, HH Proposition 3).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "unrect/forms/domain.hpp"
#include "unrect/forms/hyperplane.hpp"
#include "unrect/network/network.hpp"

namespace unrect {

struct Stages;

/// y(t) = matrix t + constant over one region: outputs × k and outputs.
struct ParameterMap {
  Matrix matrix;
  Vector constant;
};

/// A region while the refinement stands in it; good until the visitor returns.
class RegionView {
 public:
  /// Every unit's piece, layer after layer (Stages::first_unit).
  virtual std::span<const std::uint16_t> pieces() const = 0;
  /// A point in the region's interior: every unit whose form is not constant is strictly on its piece there, exactly.
  /// Nothing for a region so thin that no such point of doubles was found. Cheap, but where a region is hardly wider
  /// than its vertices' rounding.
  virtual std::optional<Vector> interior_point() = 0;
  /// One vertex a row, k columns; in a plane counter-clockwise. Off by less than 1e-3 of the region's width, beyond two
  /// dimensions by less than a sixteenth of the way from the middle to the nearest wall (a bound that is far above what
  /// they are off by), or else the exact vertices, rounded. None in many dimensions, where cells do not know them.
  virtual Matrix vertices() = 0;
  /// The walls that each vertex lies on, as indices into walls().
  virtual std::vector<std::vector<int>> walls_of_vertices() const = 0;
  /// The walls cut on the way to this region, the domain's sides first. Not all of them bound it.
  virtual std::span<const Hyperplane> walls() const = 0;
  /// The walls that bound the region in k − 1 dimensions, as ascending indices into walls(): exact.
  virtual std::vector<int> facets() = 0;
  /// The network's output over this region. O(the last stages' weights).
  virtual ParameterMap map() = 0;
  /// The forms of a stage's z over t, up to the last layer's: row i of the result is unit i's k coefficients and
  /// constant.
  virtual Matrix forms(int stage) const = 0;
  /// The form that is zero on a wall, k coefficients and a constant.
  virtual Vector form_of(const Hyperplane& wall) const = 0;

 protected:
  ~RegionView() = default;
};

/// Returning false stops the refinement.
using RegionVisitor = std::function<bool(RegionView&)>;

/// A subtree of the refinement: the child taken at each split from the root. Replayed in a moment, and the same on
/// every machine, because no split depends on rounding.
struct WorkUnit {
  std::vector<std::uint16_t> path;
  int generation = 0;  // work units it descends from

  bool operator==(const WorkUnit&) const = default;
};

struct RegionCounts {
  std::uint64_t regions = 0;
  std::vector<std::uint64_t> per_layer;  // |C_1|, …: cells after each layer's cuts; the last one is `regions`
  std::uint64_t exact_decisions = 0;     // signs that rounding left open, settled in rationals
  std::vector<std::uint64_t> active;  // regions by how many of their units are above their lowest break (ReLU: active)
  std::vector<std::uint64_t> sums;    // a collector's own, added modulo 2^64: the order does not matter
  std::vector<std::uint64_t> marks;   // a collector's own set, sorted; united

  RegionCounts& operator+=(const RegionCounts& other);
  bool operator==(const RegionCounts&) const = default;
};

struct WorkResult {
  RegionCounts counts;
  double share = 0;            // of the tree that was finished
  std::vector<WorkUnit> open;  // what the budget left over
  bool stopped = false;        // by the visitor
};

/// Dimensions up to which cells of vertices are there at all, and up to which they are the faster ones.
inline constexpr Index kMostVertexDimensions = 12;
inline constexpr Index kFewDimensions = 5;

/// What the cells of a refinement know.
enum class Detail {
  kRegions,    // enough to find and describe every region: the fastest cells
  kIncidence,  // every unit that vanishes at a vertex is among its walls, even where it does not cut the region: what
               // adjacency and certificates need. ReLU-like layers only.
};

/// @throws Error kUnsupported, naming what was asked for, where a layer is a maximum.
void require_relu_like(const Stages& stages, std::string_view what);

/// A network prepared for the refinement of one domain. Immutable; workers share it.
class Refinement {
 public:
  /// @throws Error kInvalidArgument for sizes that disagree, kUnsupported for incidence with a Maximum or in more than
  /// kMostVertexDimensions.
  /// `layers`: refine by the first so many layers only, −1 for all; RegionView::map() is there for all only.
  Refinement(const Network& network, Domain domain, Detail detail = Detail::kRegions, int layers = -1);
  const Network& network() const;
  const Domain& domain() const;
  const Stages& stages() const;
  /// Layers that are refined by.
  int layers() const;
  Detail detail() const;

  struct Prepared;

 private:
  friend class Worker;
  friend class WallForms;
  std::shared_ptr<const Prepared> prepared_;
};

struct EnteredCell;

/// Decides which cells are worth refining: a cell that is not wanted is left out with all regions in it, which are
/// neither visited nor counted.
class CellFilter {
 public:
  virtual ~CellFilter() = default;
  /// Asked when the refinement enters a stage: every unit that is on one piece all over the cell has it by then.
  virtual bool wants(const EnteredCell& cell) = 0;
};

/// What a worker's cells are made of. Regions, their order and the splits are the same for all.
enum class Cells {
  kByDimension,  // whichever is fastest
  kVertices,     // up to kMostVertexDimensions: a box alone has 2^k vertices
  kHalfspaces,   // any dimension; RegionView has no vertices then
};

/// One thread's workspace.
class Worker {
 public:
  /// @throws Error kInvalidArgument for cells that do not go with the refinement's detail or dimension.
  explicit Worker(const Refinement& refinement, Cells cells = Cells::kByDimension);
  ~Worker();
  Worker(Worker&&) noexcept;

  /// Refines a subtree until it is done or `budget` regions have been found; what is found and what is left open is the
  /// same on every machine. O(depth) memory.
  /// keep_going: asked now and then; @throws Error kCancelled once it says no, and the unit is as good as not begun.
  WorkResult run(const WorkUnit& unit, std::uint64_t budget, const RegionVisitor& visitor = {},
                 const std::function<bool()>& keep_going = {});

  /// From now on cells are asked about; the filter outlives the runs. None: every cell is wanted.
  void filter_by(CellFilter* filter);

  class Implementation;

 private:
  Refinement refinement_;  // that the implementation looks at
  std::unique_ptr<Implementation> implementation_;
};

/// Regions a work unit may find before it hands the rest back: small at first, so that workers get going at once.
std::uint64_t budget_of(const WorkUnit& unit);

/// Visits every region in the order of the refinement on one thread; the visitor can stop early.
RegionCounts visit_regions(const Refinement& refinement, const RegionVisitor& visitor);

}  // namespace unrect
