// What a verdict rests on, in a file that anyone can check: a witness, or a tree of cases that leaves no unsafe input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "unrect/network/network.hpp"
#include "unrect/verify/vnnlib.hpp"

namespace unrect {

/// One step of a proof about a part of the domain: a box of inputs, and sides of units.
struct ProofStep {
  enum class Kind {
    kRefuted,  // no input of the part is unsafe; multipliers follow
    kSplit,    // the number is ≤ at, or it is ≥ at: the part's two halves, in this order
    kCutBelow,  // an input: no input of the part with the number ≤ at is unsafe (multipliers follow); go on with ≥ at
    kCutAbove,  // alike with ≥ at; go on with ≤ at
    kBound,     // what holds for the smallest part around it that was bounded is bounded anew
  };
  Kind kind = Kind::kRefuted;
  // Whose number: input `unit` of the network for node 0, else what the piecewise-linear node reads for its unit.
  int node = 0;
  Index unit = 0;
  double at = 0;
};

/// The proof of a property's cases, one after another, each a tree in preorder. What is refuted has multipliers: for
/// each unsafe polytope {G y ≤ h} of the case one for each of its rows, of the case's rows over inputs, and of the
/// part's sides, all ≥ 0, whose sum Σ λ_i (G_i y − h_i) + Σ μ_i (A_i x − b_i) − Σ β_k sign_k (z_k − at_k), which is ≤ 0
/// at an unsafe input of the part, is proved to be > 0 all over it (the dual of the triangle relaxation).
struct Certificate {
  std::uint64_t network = 0;  // fingerprints
  std::uint64_t property = 0;
  std::optional<Vector> witness;  // sat: an unsafe input of the domain. Otherwise unsat:
  std::vector<ProofStep> steps;
  std::vector<double> multipliers;
};

/// Of the nodes' kinds, parameters and edges, not of their names.
std::uint64_t fingerprint(const Network& network);
/// Of the cases' bounds and rows.
std::uint64_t fingerprint(const Property& property);

/// Written aside and renamed. @throws Error kFile.
void write_certificate(const std::filesystem::path& path, const Certificate& certificate);
/// @throws Error kFile; kFormat naming the file, what is wrong and what was expected, for a file that was changed, too.
Certificate read_certificate(const std::filesystem::path& path);
Certificate parse_certificate(std::string_view bytes, std::string_view name);

}  // namespace unrect
