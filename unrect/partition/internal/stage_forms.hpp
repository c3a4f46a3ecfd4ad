// Every unit's piece on the way down the recursion, and the forms that these pieces give to the stages.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unrect/forms/internal/forms.hpp"
#include "unrect/partition/internal/prepared.hpp"
#include "unrect/partition/refine.hpp"

namespace unrect {

/// The forms z_s of the stages' pre-activations over t, for the pieces at hand. Knows no cell. On a cell the recursion
/// calls, for a stage s with a layer: begin; decide or straddle for each unit; gather; and then, as often as a cell
/// below settles the straddling units' pieces, settle, after which stage s + 1 has its forms there.
class StageForms {
 public:
  /// The first stage has its forms at once: its pieces do not matter. `prepared` must outlive this.
  explicit StageForms(const Refinement::Prepared& prepared);

  /// z_s, as good as the pieces of the stages before s are settled.
  const Forms& of(int s) const { return state(s).z; }
  /// Σ_d |∂z_i/∂t_d|, rounded.
  double gradient_of(int s, Index i) const;

  /// Every unit's piece, layer after layer (Stages::first_unit).
  std::span<const std::uint16_t> pieces() const { return pieces_; }
  std::uint16_t piece(int s, Index unit) const { return pieces_[place(s, unit)]; }
  std::uint16_t& piece(int s, Index unit) { return pieces_[place(s, unit)]; }

  /// Whether every unit of the stage is a ReLU: what it puts out is z or 0, and no column of its own is needed.
  bool is_rectifier(int s) const { return state(s).rectifier; }

  /// No unit of stage s is decided; those of a rectifier are on their lowest piece.
  void begin(int s);
  /// Unit is on this piece all over the cell.
  void decide(int s, Index unit, std::uint16_t piece);
  /// The rectifier's units 64 · word + (a bit that is set) are active all over the cell.
  void decide_active(int s, Index word, std::uint64_t bits);
  /// Unit changes its piece inside the cell.
  void straddle(int s, Index unit) { state(s).straddling.push_back(unit); }
  const std::vector<Index>& straddling(int s) const { return state(s).straddling; }
  /// All units of stage s are decided or straddle: what the decided ones add to stage s + 1 is the same on every cell
  /// below, and is summed up once. O(the stage's weights · (k + 1)), less what its last time saves.
  void gather(int s);
  /// The straddling units have their pieces: z of stage s + 1 is complete on this cell. O(the straddling units' weights
  /// · (k + 1)).
  void settle(int s);
  /// The same for an affine stage, which has nothing to decide.
  void pass(int s);

  /// Units on a piece above their lowest, in the stages up to s, whose pieces are all settled.
  std::uint64_t count_active(int s) const;

  /// The network's output, once all pieces are settled. O(the last stages' weights · (k + 1)).
  ParameterMap output();

 private:
  struct State {
    Forms z;
    Forms begun;      // z without what the straddling units of the stage before will add
    Forms activated;  // a, of a stage that is no rectifier: else a column of a is one of z
    bool rectifier = true;
    std::vector<LastProduct> products;  // of each link
    std::vector<Index> active;          // columns of a that are not zero: those of decided units first
    std::size_t decided = 0;            // that many of them
    std::vector<Index> straddling;
    std::uint64_t above = 0;         // decided units on a piece above the lowest
    std::uint64_t above_before = 0;  // all such units of the stages before
  };

  State& state(int s) { return states_[static_cast<std::size_t>(s)]; }
  const State& state(int s) const { return states_[static_cast<std::size_t>(s)]; }
  std::size_t place(int s, Index unit) const {
    const auto layer = static_cast<std::size_t>(p_.stage(s).layer);
    return static_cast<std::size_t>(p_.stages.first_unit[layer] + unit);
  }
  const Forms& outputs(int s) const { return state(s).rectifier ? state(s).z : state(s).activated; }
  void activate(int s, Index unit);
  void activate_all(int s);
  void activate_straddling(int s);
  void begin_sum(int t);
  void complete_sum(int t);

  const Refinement::Prepared& p_;
  std::vector<State> states_;
  std::vector<std::uint16_t> pieces_;
};

}  // namespace unrect
