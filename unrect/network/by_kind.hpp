// The kinds of node told apart, completely: a kind to come does not compile until every place has a case for it.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>
#include <variant>

#include "unrect/network/ops.hpp"

namespace unrect {

namespace detail {

template <class... Cases>
struct Overloads : Cases... {
  using Cases::operator()...;
};

template <class Case, class... Kinds>
struct Alike {
  Case one;
  template <class Kind>
    requires(std::same_as<Kind, Kinds> || ...)
  decltype(auto) operator()(const Kind& kind) const {
    return one(kind);
  }
};

struct NoKind {};

// One for every kind, and none for whatever else there may be.
template <class All, class... Kinds>
concept CompleteCases = (std::invocable<const All&, const Kinds&> && ...) && !std::invocable<const All&, const NoKind&>;

}  // namespace detail

/// A case of by_kind() for several kinds, each named: alike<Input, Concat>([](const auto& op) { … }).
template <class... Kinds, class Case>
detail::Alike<Case, Kinds...> alike(Case one) {
  return {std::move(one)};
}

/// A case for the kinds without pieces, which are affine.
template <class Scalar = double, class Case>
auto without_pieces(Case one) {
  return alike<Input, DenseOf<Scalar>, ConvolutionOf<Scalar>, ScaleOf<Scalar>, SelectOf<Scalar>, SumOf<Scalar>, Concat>(
      std::move(one));
}

/// The case that takes the op's kind, called: by_kind(op, [](const Dense& dense) { … }, …), one case or more for all
/// kinds, of one result type. A case for whatever else there may be (const auto&) does not compile.
template <class... Kinds, class... Cases>
  requires detail::CompleteCases<detail::Overloads<std::decay_t<Cases>...>, Kinds...>
decltype(auto) by_kind(const std::variant<Kinds...>& op, Cases&&... cases) {
  const detail::Overloads<std::decay_t<Cases>...> all{std::forward<Cases>(cases)...};
  return std::visit(all, op);
}

}  // namespace unrect
