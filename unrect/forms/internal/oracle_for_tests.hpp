// The partition of a tiny network once more, by other means: rational forms of the network's own nodes, every piece of
// every unit tried in turn, and a small exact linear program that says whether a cell has an interior.
#pragma once

#include <gmpxx.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "unrect/base/rng.hpp"
#include "unrect/forms/domain.hpp"
#include "unrect/forms/internal/exact_forms.hpp"
#include "unrect/forms/stages.hpp"

namespace unrect::oracle {

using Form = std::vector<mpq_class>;  // k coefficients, then the constant
using Pieces = std::vector<std::uint16_t>;
using Point = std::vector<mpq_class>;

mpq_class value_at(const Form& form, const Point& t);
Point exact_point(const VectorRef& t);

/// The value of each node where the units are on these pieces.
std::vector<std::vector<Form>> forms_of_nodes(const Network& network, const Domain& domain, const Pieces& pieces);
/// What each layer's node reads, in the order of the layers.
std::vector<std::vector<Form>> forms_of_layers(const Network& network, const Domain& domain, const Pieces& pieces);
/// The sides of the domain, ≥ 0 inside: t_d − lower_d, upper_d − t_d for d = 0, 1, …, then the constraints' slacks.
std::vector<Form> sides_of(const Domain& domain);
/// The form that is zero on a wall. z: forms_of_layers; sides: sides_of the domain, which are ≥ 0 inside.
Form form_on(const Hyperplane& wall, const Stages& stages, const std::vector<std::vector<Form>>& z,
             const std::vector<Form>& sides);
/// The configuration of a point, by a forward pass in rationals.
Pieces pieces_at(const Network& network, const Domain& domain, const Point& t);
/// The point where forms vanish; nothing if there is no such point or more than one.
std::optional<Point> meeting_point(const std::vector<Form>& forms);

/// A point with every row > 0 (k coefficients and a constant; the first 2k rows are a box's, as in sides_of), found by
/// min Σ λ_i b_i over Σ λ_i a_i = 0, Σ λ_i = 1, λ ≥ 0: its optimum is max_t min_i (a_i·t + b_i). Integer pivoting with
/// Bland's rule.
std::optional<Point> interior_point(const std::vector<std::vector<mpz_class>>& rows);

struct Partition {
  std::set<Pieces> configurations;
  std::vector<std::uint64_t> per_layer;
  std::uint64_t programs = 0;
};

/// Every configuration whose cell has an interior in the domain.
Partition partition_of(const Network& network, const Domain& domain);

struct Case {
  std::string name;
  Network network;
  Domain domain;
};

/// A chain whose second layer sums what cancels: decimals like .1 + .2 − .3, which leave their rounding alone, with
/// biases of that size, so that its hyperplanes cross the box; rows that repeat, exactly or all but the last bit; and
/// layers of sizes from 1e-300 to 1e290. Up to ten units on up to three parameters.
Case cancelling_case(Rng rng);

/// Random networks with up to a dozen units on up to four parameters, a third of them degenerate on purpose.
Case random_case(Rng rng);
/// Whether one of its layers is a maximum.
bool has_maxima(const Network& network);
/// The network's numbers in full.
std::string describe(const Case& c);

}  // namespace unrect::oracle
