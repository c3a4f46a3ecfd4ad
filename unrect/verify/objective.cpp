#include "unrect/verify/objective.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "unrect/base/error.hpp"

namespace unrect {
namespace {

class Reader {
 public:
  Reader(std::string_view text, Index outputs) : text_(text), outputs_(outputs) {}

  Objective read() {
    Objective sum{Vector::Zero(outputs_)};
    do {
      term(sum);
      skip();
    } while (at_ < text_.size());
    UNRECT_REQUIRE(named_, ErrorCode::kInvalidArgument, "\"{}\" names no output; expected a sum such as \"y0 - 2*y1\"",
                   text_);
    UNRECT_REQUIRE(sum.direction.allFinite() && std::isfinite(sum.constant), ErrorCode::kInvalidArgument,
                   "\"{}\": a sum of coefficients overflows", text_);
    return sum;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // A term with the sign before it; the first one may do without.
  void term(Objective& sum) {
    double sign = take('-') ? -1 : 1;
    const bool plus = sign > 0 && take('+');
    UNRECT_REQUIRE(first_ || plus || sign < 0, ErrorCode::kInvalidArgument, "\"{}\", character {}: expected + or -",
                   text_, at_ + 1);
    first_ = false;
    std::optional<double> factor = number();
    std::optional<Index> output;
    if (!factor || take('*')) {
      output = variable();
      if (!factor && take('*')) {
        factor = number();
        UNRECT_REQUIRE(factor.has_value(), ErrorCode::kInvalidArgument, "\"{}\", character {}: expected a number",
                       text_, at_ + 1);
      }
    }
    (output ? sum.direction[*output] : sum.constant) += sign * factor.value_or(1);
  }

  std::optional<double> number() {
    skip();
    double value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (end == begin || *begin == '-') return std::nullopt;
    UNRECT_REQUIRE(error == std::errc() && std::isfinite(value), ErrorCode::kInvalidArgument,
                   "\"{}\", character {}: expected a finite number", text_, at_ + 1);
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  Index variable() {
    skip();
    const std::size_t start = at_;
    if (at_ < text_.size() && (text_[at_] == 'y' || text_[at_] == 'Y')) {
      ++at_;
      if (at_ < text_.size() && text_[at_] == '_') ++at_;
      Index i = 0;
      const char* const begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), i);
      if (end != begin && *begin != '-') {
        at_ += static_cast<std::size_t>(end - begin);
        UNRECT_REQUIRE(error == std::errc() && i < outputs_, ErrorCode::kInvalidArgument,
                       "\"{}\": the network has no {}; its outputs are y0 … y{}", text_,
                       text_.substr(start, at_ - start), outputs_ - 1);
        named_ = true;
        return i;
      }
    }
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("\"{}\", character {}: expected a number or an output such as y0", text_, start + 1));
  }

  std::string_view text_;
  Index outputs_;
  std::size_t at_ = 0;
  bool first_ = true, named_ = false;
};

}  // namespace

Objective parse_objective(std::string_view text, Index outputs) { return Reader(text, outputs).read(); }

}  // namespace unrect
