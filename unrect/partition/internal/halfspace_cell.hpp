// A cell of any dimension: a box cut by the sides of walls, and points that are known to lie inside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/internal/forms.hpp"
#include "unrect/partition/internal/arena.hpp"
#include "unrect/partition/internal/vertex_dictionary.hpp"
#include "unrect/polytope/dense_lp.hpp"

namespace unrect {

/// {t in the box: sign · form_wall(t) ≥ 0 for every side}, which has an interior. Its points are witnesses: they lie
/// inside by more than rounding can account for. A sliver thinner than that has none.
struct HalfspaceCell {
  struct Side {
    int wall = 0;  // index into the walls on the way to the cell
    int sign = 0;
  };
  struct Points {
    Index met = 0;  // so many were put in; the latest are kept
  };

  std::span<const Side> sides;          // those that may bound it, the box's own apart
  std::span<const std::uint64_t> keys;  // what they are: their form's id · 2 + (sign > 0)
  double* coordinates = nullptr;        // k rows, kPoints apart
  Points* points = nullptr;
  std::uint64_t signature = 0;           // of the sides: one bit for each
  const unsigned char* clear = nullptr;  // of each of the box's sides, if known: 1 if it does not bound the cell
};

/// Which side of a form a cell is on, from the cheapest proof up: witnesses of both signs; multipliers found before, of
/// walls that this cell has too; a ray from a witness that gets across; a linear program, whose optimum, pulled
/// inwards, is the next witness, or whose multipliers prove, with the walls' own errors charged, that there is none;
/// and at last the same program in rationals.
class HalfspaceGeometry {
 public:
  using Cell = HalfspaceCell;
  using Side = HalfspaceCell::Side;
  static constexpr bool kVertices = false;
  static constexpr Index kPoints = 32;

  struct Reach {
    bool below = false, above = false;
  };
  /// A form over the domain: k + 1 numbers, how wrong its value can be, and a number that no other form has.
  struct Form {
    const double* form = nullptr;
    double error = 0;
    std::uint64_t id = 0;
  };
  /// Whether sign · form is positive somewhere on the box with these sides, in exact arithmetic. wall: of the form, an
  /// index into the walls, or kAsked for the form that reach was asked about; a side of the box: on the box without it.
  using Judge = std::function<bool(int wall, int sign, std::span<const Side> sides)>;
  static constexpr int kAsked = -1;

  explicit HalfspaceGeometry(Index dimension);
  Index dimension() const { return k_; }

  /// Walls 2d: t_d = lower_d, 2d + 1: t_d = upper_d.
  Cell box(Arena& arena, const double* lower, const double* upper);

  /// The same cell in memory of its own.
  Cell copy_of(Arena& arena, const Cell& cell) const;
  /// Starts afresh: nothing proved or solved before has a part in what follows.
  void forget();

  /// Outer bounds of every form on the box; low, high: at least forms.stride() long.
  void bounds(const Forms& forms, double* low, double* high) const;

  /// Whether a form is negative, and positive, somewhere inside the cell: exact.
  Reach reach(const Cell& cell, const Form& form, const Judge& judge);

  /// The two cells on either side of the form of the last call of reach, which was both.
  void split(Arena& arena, const Cell& cell, int wall, Cell& negative, Cell& positive);

  /// A point inside by more than rounding can account for, if a witness is known.
  std::optional<Vector> interior_point(const Cell& cell);
  /// A point as good as rounding allows, which need not be inside: of a sliver without witnesses.
  Vector guess_inside(const Cell& cell);

  /// The walls that bound the cell, in ascending order: exact.
  std::vector<int> facets(const Cell& cell, const Judge& judge);
  /// Whether anybody asked for facets since the last forget().
  bool wants_facets() const { return wants_facets_; }
  /// The same cell without the sides that do not bound it: for a cell that many others come from.
  Cell pruned(Arena& arena, const Cell& cell, const Judge& judge);

 private:
  struct WallForm {
    std::vector<double> form;  // k + 1
    double error = 0;
    std::uint64_t id = 0;
    double scale = 1;          // 1 over the length of its normal
    std::uint64_t serial = 0;  // no other cut has it
  };
  // Of a form's side, the latest proofs: the sides that multipliers belong to, as id · 2 + (sign > 0), ascending.
  struct Proofs {
    std::uint64_t key = 0;
    std::size_t found = 0;
    std::vector<std::uint64_t> signatures;  // of each proof's sides
    std::vector<std::vector<std::uint64_t>> sides;
  };
  static constexpr std::size_t kProofs = 16;
  static constexpr std::size_t kProofSlots = 4096;
  static constexpr std::uint64_t kBoxKeys = std::uint64_t{1} << 63;

  Cell make(Arena& arena, std::size_t sides) const;
  const WallForm& wall_of(const Side& side) const { return walls_[static_cast<std::size_t>(side.wall)]; }
  static std::uint64_t key_of(std::uint64_t id, int sign) { return 2 * id + (sign > 0 ? 1 : 0); }
  static std::uint64_t bit_of(std::uint64_t key) { return std::uint64_t{1} << (key * 0x9e3779b97f4a7c15u >> 58); }
  static Index count_of(const Cell& cell) { return std::min(cell.points->met, kPoints); }

  double value_at(const double* form, const double* point) const;
  bool is_inside(const Cell& cell, const double* point) const;
  bool add_if_inside(const Cell& cell, int sign);
  bool reaches(const Cell& cell, int sign, const Judge& judge);
  Proofs& proofs_of(std::uint64_t key);
  bool proved_before(const Cell& cell, std::uint64_t key);
  void remember(std::uint64_t key);
  bool proves(const Cell& cell, const LpResult& lp, double constant, double error);
  bool shoot(const Cell& cell, int sign);
  std::optional<bool> climb(const Cell& cell, int sign);
  bool proves(const Cell& cell, const Vector& gradient, int sign, const Vector& multipliers);
  bool find_center(const Cell& cell);
  void follow(const Cell& cell);
  bool cross(const Cell& cell, const Vector& optimum, int sign);
  // For facets, a candidate: a side of the box, or 2k + i for side i of the cell.
  std::uint64_t key_of(const Cell& cell, Index candidate) const;
  void find_facets(const Cell& cell, const Judge& judge);
  void walk(const Cell& cell);
  bool find_vertex();
  void look_around();
  bool shows_redundant(const Cell& cell, Index candidate);
  Index first_side() const;
  Index row_of(Index candidate) const;
  Index candidate_of(Index row) const;
  bool bounds(const Cell& cell, Index candidate, const Judge& judge);
  bool is_beyond(Index candidate);
  void lay_out(const Cell& cell);
  void values_at(const double* point, double* out) const;
  void rates_of(const double* direction, double* out) const;

  Index k_;
  Box box_;
  std::unique_ptr<DenseLp> lp_;
  std::vector<std::uint64_t> lp_rows_;  // what the program's rows are: serial · 2 + (sign > 0)
  std::vector<WallForm> walls_;
  std::uint64_t next_serial_ = 0;
  std::vector<Proofs> proofs_;

  WallForm asked_;  // reach's form
  Vector value_;    // at the witnesses
  Vector point_, center_, cost_;
  std::vector<Side> likely_;
  bool wants_facets_ = false;
  Index sides_ = 0;  // of the cell that is laid out,
  Matrix columns_;   // (k + 1) × sides, padded: its sides as forms ≥ 0,
  Vector errors_;    // and how wrong each is
  Vector scale_;     // 1 over a side's normal
  Vector slack_, rate_, there_, toward_, inward_;
  std::vector<unsigned char> bounding_;  // of the candidates
  std::vector<Index> open_, left_;       // candidates that are not settled
  VertexDictionary dictionary_;
};

}  // namespace unrect
