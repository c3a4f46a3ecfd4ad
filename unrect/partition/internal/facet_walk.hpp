// Which sides of a half-space cell bound it, in k − 1 dimensions: a walk over some of its vertices.
#pragma once

#include <vector>

#include "unrect/partition/internal/cell_program.hpp"
#include "unrect/partition/internal/halfspace_sides.hpp"
#include "unrect/partition/internal/proof_cache.hpp"
#include "unrect/partition/internal/side_table.hpp"
#include "unrect/partition/internal/vertex_dictionary.hpp"

namespace unrect {

/// A candidate is a side of the box (2d: t_d = lower_d, 2d + 1: t_d = upper_d), or 2k + i for side i of the cell. It
/// bounds the cell if a point is found beyond it and inside all others; it does not if multipliers of the others prove
/// so.
class FacetWalk {
 public:
  /// All must outlive this.
  FacetWalk(const Box& box, const HalfspaceWalls& walls, CellProgram& program, ProofCache& proofs)
      : box_(box), walls_(walls), program_(program), proofs_(proofs) {}

  /// Of each candidate, 1 if it bounds the cell: exact. center: a point well inside, or null. Good until the next call.
  const std::vector<unsigned char>& bounding(const HalfspaceCell& cell, const Vector* center,
                                             const HalfspaceOracle& oracle);

 private:
  using Side = HalfspaceCell::Side;

  bool is_box(Index candidate) const { return candidate < 2 * k_; }
  std::uint64_t key_of(Index candidate) const;
  // The dictionary's rows: t_d − lower_d, upper_d − t_d for all d, from first_side() on the cell's sides.
  Index first_side() const;
  Index row_of(Index candidate) const;
  Index candidate_of(Index row) const;

  void walk();
  bool find_vertex();
  void look_around();
  bool shows_redundant(Index candidate);
  bool decide(Index candidate, const Vector* center, const HalfspaceOracle& oracle);
  bool is_beyond(Index candidate);

  const Box& box_;
  const HalfspaceWalls& walls_;
  CellProgram& program_;
  ProofCache& proofs_;

  Index k_ = 0;
  const HalfspaceCell* cell_ = nullptr;
  SideTable sides_;                      // of the cell
  std::vector<unsigned char> bounding_;  // of the candidates
  std::vector<Index> open_, left_;       // candidates that are not settled; of these, what the walk leaves open
  VertexDictionary dictionary_;          // of the vertex where the walk is
  std::vector<Side> used_;               // by the last proof
  Vector point_, toward_, inward_;
  Vector slack_, rate_, there_;  // of all sides: at a vertex, along an edge, at a point
};

}  // namespace unrect
