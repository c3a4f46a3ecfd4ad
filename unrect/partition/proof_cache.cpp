#include "unrect/partition/internal/proof_cache.hpp"

#include <algorithm>
#include <utility>

namespace unrect {

ProofCache::ProofCache(Index dimension) : slots_(kSlots + static_cast<std::size_t>(2 * dimension)) {}

void ProofCache::clear() {
  for (Proofs& proofs : slots_) proofs = {};
}

ProofCache::Proofs& ProofCache::slot_of(std::uint64_t key) {
  return slots_[key >= kBoxKeys ? kSlots + static_cast<std::size_t>(key - kBoxKeys) : key % kSlots];
}

bool ProofCache::holds(std::uint64_t key, const HalfspaceCell& cell) {
  Proofs& proofs = slot_of(key);
  if (proofs.key != key) return false;
  for (std::size_t i = 0; i < proofs.signatures.size(); ++i) {
    if ((proofs.signatures[i] & ~cell.signature) != 0) continue;
    if (std::ranges::all_of(proofs.sides[i], [&](std::uint64_t side) {
          return std::ranges::find(cell.keys, side) != cell.keys.end();
        })) {
      std::swap(proofs.signatures[i], proofs.signatures.front());
      std::swap(proofs.sides[i], proofs.sides.front());
      return true;
    }
  }
  return false;
}

void ProofCache::remember(std::uint64_t key, std::span<const HalfspaceCell::Side> sides, const HalfspaceWalls& walls) {
  Proofs& proofs = slot_of(key);
  if (proofs.key != key) {
    proofs.key = key;
    proofs.found = 0;
    proofs.signatures.clear();
  }
  const std::size_t slot = proofs.found++ % kProofs;
  if (slot == proofs.signatures.size()) {
    proofs.signatures.emplace_back();
    if (slot == proofs.sides.size()) proofs.sides.emplace_back();
  }
  std::uint64_t signature = 0;
  std::vector<std::uint64_t>& keys = proofs.sides[slot];
  keys.clear();
  for (const HalfspaceCell::Side& side : sides) {
    keys.push_back(key_of(walls.of(side).id, side.sign));
    signature |= bit_of(keys.back());
  }
  proofs.signatures[slot] = signature;
}

}  // namespace unrect
