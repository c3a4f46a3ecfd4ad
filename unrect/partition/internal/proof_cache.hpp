// Proofs about one cell that hold for others: what a few walls prove, they prove wherever they are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unrect/partition/internal/halfspace_sides.hpp"

namespace unrect {

/// Statements that a form has no value of one sign on a box cut by some sides, by that form and sign; the latest few
/// for each, of a fixed number of forms: later ones take the place of earlier ones.
class ProofCache {
 public:
  explicit ProofCache(Index dimension);

  /// What a side of this form, or a statement about its values of this sign, is called.
  static std::uint64_t key_of(std::uint64_t id, int sign) { return 2 * id + (sign > 0 ? 1 : 0); }
  /// The statement that a side of the box (2d, 2d + 1) does not bound the cell.
  static std::uint64_t key_of_box(Index side) { return kBoxKeys + static_cast<std::uint64_t>(side); }
  /// A side's bit in the signatures of cells and proofs, which tell most sets of sides apart at once.
  static std::uint64_t bit_of(std::uint64_t key) { return std::uint64_t{1} << (key * 0x9e3779b97f4a7c15u >> 58); }

  void clear();
  /// Whether the statement was proved before from sides that this cell has, too.
  bool holds(std::uint64_t key, const HalfspaceCell& cell);
  /// That these sides prove the statement.
  void remember(std::uint64_t key, std::span<const HalfspaceCell::Side> sides, const HalfspaceWalls& walls);

 private:
  struct Proofs {
    std::uint64_t key = 0;
    std::size_t found = 0;                          // so many were put in; the latest kProofs are kept
    std::vector<std::uint64_t> signatures;          // of each proof's sides
    std::vector<std::vector<std::uint64_t>> sides;  // that the proof's multipliers belong to, by their keys
  };
  static constexpr std::size_t kProofs = 16;
  static constexpr std::size_t kSlots = 4096;
  static constexpr std::uint64_t kBoxKeys = std::uint64_t{1} << 63;

  Proofs& slot_of(std::uint64_t key);

  std::vector<Proofs> slots_;  // kSlots by the key's remainder, then one for each side of the box
};

}  // namespace unrect
