#include "unrect/verify/vnnlib.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"

namespace unrect {
namespace {

// Disjunctions multiply: what a small file may ask for.
constexpr int kMaxDepth = 1000;
constexpr std::size_t kMaxCases = 100'000;
constexpr std::size_t kMaxElements = std::size_t{1} << 25;  // numbers in all cases together, over one a byte
constexpr std::size_t kMaxBytes = std::size_t{1} << 30;
constexpr std::string_view kShortestDeclaration = "(declare-const X_0 Real)";

// Variable and coefficient; variable i ≥ 0 is X_i, variable ~i < 0 is Y_i.
using Terms = std::vector<std::pair<Index, double>>;

Index index_of(Index variable) { return variable < 0 ? ~variable : variable; }

// Σ coefficient · variable ≤ bound, over inputs or over outputs; terms are ordered and none is zero.
struct Row {
  Terms terms;
  double bound = 0;

  bool on_inputs() const { return terms.front().first >= 0; }
  friend auto operator<=>(const Row&, const Row&) = default;
};

using Conjunction = std::vector<Index>;  // rows by their number

// common ∧ (cases[0] ∨ cases[1] ∨ …)
struct Formula {
  Conjunction common;
  std::vector<Conjunction> cases = {{}};

  bool is_conjunction() const { return cases.size() == 1 && cases[0].empty(); }
};

void append(Conjunction& all, const Conjunction& more) { all.insert(all.end(), more.begin(), more.end()); }

void scale(Terms& terms, std::size_t begin, std::size_t end, double factor) {
  for (std::size_t i = begin; i < end; ++i) terms[i].second *= factor;
}

struct Token {
  std::string_view text;  // empty at the end of the file
  std::size_t line = 1;
};

std::string quoted(const Token& token) {
  constexpr std::size_t kShown = 40;
  if (token.text.empty()) return "the end of the file";
  std::string shown(token.text.substr(0, kShown));
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  return fmt::format("'{}{}'", shown, token.text.size() > kShown ? "…" : "");
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view name, NetworkSizes network)
      : text_(text), name_(name), sizes_{network.inputs, network.outputs} {
    take();
  }

  Property read() && {
    Formula all;
    while (!token_.text.empty()) {
      expect("(");
      const Token command = take();
      if (command.text == "declare-const") {
        declare();
      } else if (command.text == "assert") {
        conjoin(all, formula(0));
      } else {
        refuse(command, "declare-const or assert");
      }
      expect(")");
    }
    return property(all);
  }

 private:
  // The current token; reads the next one.
  Token take() {
    const Token taken = token_;
    while (at_ < text_.size()) {
      if (text_[at_] == ';') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (kSpace.find(text_[at_]) != std::string_view::npos) {
        line_ += text_[at_++] == '\n';
      } else {
        break;
      }
    }
    std::size_t end = std::min(text_.find_first_of(kDelimiters, at_), text_.size());
    if (end == at_ && end < text_.size()) ++end;  // a parenthesis
    token_ = {text_.substr(at_, end - at_), line_};
    at_ = end;
    return taken;
  }

  [[noreturn]] void refuse(const Token& found, std::string_view expected) const {
    throw Error(ErrorCode::kFormat,
                fmt::format("{}: line {}: {}, expected {}", name_, found.line, quoted(found), expected));
  }

  void expect(std::string_view text) {
    const Token token = take();
    if (token.text != text) refuse(token, fmt::format("'{}'", text));
  }

  // Counts the numbers that the cases take, and those on the way to them.
  void spend(std::size_t elements) {
    const std::size_t limit = kMaxElements + text_.size();
    UNRECT_REQUIRE(elements <= limit - spent_, ErrorCode::kFormat,
                   "{}: line {}: the cases take more than {} numbers, expected fewer", name_, line_, limit);
    spent_ += elements;
  }

  void require_few(std::size_t cases) const {
    UNRECT_REQUIRE(cases <= kMaxCases, ErrorCode::kFormat,
                   "{}: line {}: a disjunction of {} cases, expected at most {}", name_, token_.line, cases, kMaxCases);
  }

  void require_shallow(const Token& token, int depth) const {
    UNRECT_REQUIRE(depth <= kMaxDepth, ErrorCode::kFormat, "{}: line {}: nested deeper than {}, expected less", name_,
                   token.line, kMaxDepth);
  }

  // The variable that a token names, without leading zeros.
  static std::optional<Index> variable(std::string_view text) {
    if (!text.starts_with("X_") && !text.starts_with("Y_")) return std::nullopt;
    const char *first = text.data() + 2, *last = text.data() + text.size();
    Index index = 0;
    const auto [end, error] = std::from_chars(first, last, index);
    const bool read = error == std::errc{} && end == last;
    if (!read || *first == '-' || (*first == '0' && last - first > 1)) return std::nullopt;
    return text[0] == 'X' ? index : ~index;
  }

  void declare() {
    const Token token = take();
    const std::optional<Index> found = variable(token.text);
    const std::size_t index = found ? index_of(*found) : 0;
    if (!found || index > text_.size() / kShortestDeclaration.size()) {
      refuse(token, "X_i or Y_i, each numbered from 0 without gaps");
    }
    const int kind = *found < 0;
    UNRECT_REQUIRE(sizes_[kind] < 0 || static_cast<Index>(index) < sizes_[kind], ErrorCode::kInvalidArgument,
                   "{}: line {}: {} is not there, the network has {} {}s", name_, token.line, quoted(token),
                   sizes_[kind], kKinds[kind]);
    std::vector<std::size_t>& lines = declared_[kind];
    if (lines.size() <= index) lines.resize(index + 1);
    if (lines[index] != 0) refuse(token, "each variable declared once");
    lines[index] = token.line;
    expect("Real");
  }

  // Appends the terms of an expression and returns its constant.
  double expression(Terms& terms, int depth) {
    const Token token = take();
    require_shallow(token, depth);
    if (token.text != "(") return atom(token, terms);
    const Token op = take();
    if (op.text != "+" && op.text != "-" && op.text != "*") refuse(op, "+, - or *");
    const std::size_t start = terms.size();
    double value = expression(terms, depth + 1);
    if (op.text == "-" && token_.text == ")") {
      scale(terms, start, terms.size(), -1);
      value = -value;
    }
    while (token_.text != ")") {
      const std::size_t middle = terms.size();
      const double operand = expression(terms, depth + 1);
      if (op.text == "+") {
        value += operand;
      } else if (op.text == "-") {
        scale(terms, middle, terms.size(), -1);
        value -= operand;
      } else {
        if (start < middle && middle < terms.size()) refuse(op, "one factor with variables at most");
        scale(terms, start, middle, operand);
        scale(terms, middle, terms.size(), value);
        value *= operand;
      }
    }
    expect(")");
    return value;
  }

  double atom(const Token& token, Terms& terms) const {
    if (const std::optional<Index> found = variable(token.text)) {
      const std::vector<std::size_t>& lines = declared_[*found < 0];
      const std::size_t index = index_of(*found);
      if (index >= lines.size() || lines[index] == 0) refuse(token, "a variable declared before");
      terms.emplace_back(*found, 1.0);
      return 0;
    }
    double value = 0;
    const char* last = token.text.data() + token.text.size();
    const auto [end, error] = std::from_chars(token.text.data(), last, value);
    if (error != std::errc{} || end != last || !std::isfinite(value)) {
      refuse(token, "a finite number, X_i, Y_i or '('");
    }
    return value;
  }

  // What follows (<= or (>=, as a row.
  Formula comparison(const Token& op, int depth) {
    const bool at_most = op.text == "<=";
    Row row;
    const double left = expression(row.terms, depth);
    const std::size_t middle = row.terms.size();
    const double right = expression(row.terms, depth);
    scale(row.terms, at_most ? middle : 0, at_most ? row.terms.size() : middle, -1);
    row.bound = at_most ? right - left : left - right;
    gather(row.terms);
    bool finite = std::isfinite(row.bound);
    for (const auto& [variable, coefficient] : row.terms) finite = finite && std::isfinite(coefficient);
    if (!finite) refuse(op, "an inequality with finite coefficients");
    if (row.terms.empty()) return row.bound >= 0 ? Formula{} : Formula{{}, {}};
    UNRECT_REQUIRE(row.on_inputs() || row.terms.back().first < 0, ErrorCode::kUnsupported,
                   "{}: line {}: {} relates inputs to outputs, expected either alone", name_, op.line, quoted(op));
    rows_.push_back(std::move(row));
    return {{static_cast<Index>(rows_.size()) - 1}, {{}}};
  }

  // Orders terms, adds up those of a variable and drops those that cancel.
  static void gather(Terms& terms) {
    std::stable_sort(terms.begin(), terms.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < terms.size();) {
      std::pair<Index, double> sum = terms[i];
      while (++i < terms.size() && terms[i].first == sum.first) sum.second += terms[i].second;
      if (sum.second != 0) terms[kept++] = sum;
    }
    terms.resize(kept);
  }

  Formula formula(int depth) {
    expect("(");
    const Token op = take();
    require_shallow(op, depth);
    if (op.text == "<=" || op.text == ">=") {
      Formula row = comparison(op, depth + 1);
      expect(")");
      return row;
    }
    if (op.text != "and" && op.text != "or") refuse(op, "<=, >=, and, or");
    Formula all;
    if (op.text == "or") all.cases.clear();
    do {
      op.text == "and" ? conjoin(all, formula(depth + 1)) : disjoin(all, formula(depth + 1));
    } while (token_.text != ")");
    expect(")");
    return all;
  }

  void conjoin(Formula& all, Formula more) {
    append(all.common, more.common);
    if (all.is_conjunction()) std::swap(all.cases, more.cases);
    if (more.is_conjunction()) return;
    require_few(all.cases.size() * more.cases.size());
    std::vector<Conjunction> product;
    for (const Conjunction& first : all.cases) {
      for (const Conjunction& second : more.cases) {
        spend(first.size() + second.size() + 1);
        append(product.emplace_back(first), second);
      }
    }
    all.cases = std::move(product);
  }

  // For `all` without common rows.
  void disjoin(Formula& all, Formula more) {
    require_few(all.cases.size() + more.cases.size());
    spend(more.cases.size() * more.common.size());
    for (Conjunction& rows : more.cases) append(rows, more.common);
    std::move(more.cases.begin(), more.cases.end(), std::back_inserter(all.cases));
  }

  Property property(const Formula& all) {
    Property result;
    result.inputs = count(0);
    result.outputs = count(1);
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    Box outer;
    outer.lower = Vector::Constant(result.inputs, -kInfinity);
    outer.upper = Vector::Constant(result.inputs, kInfinity);
    Conjunction input_rows, output_rows;
    for (const Index row : all.common) {
      if (!rows_[row].on_inputs()) {
        output_rows.push_back(row);
      } else if (!tighten(outer, rows_[row])) {
        input_rows.push_back(row);
      }
    }
    const auto less = [this](Index a, Index b) { return rows_[a] < rows_[b]; };
    std::set<Index, decltype(less)> distinct(less);  // equal rows go by the number of the first
    std::map<Conjunction, std::size_t> case_for;     // rows on inputs → place in result.cases
    for (const Conjunction& rows : all.cases) {
      Conjunction given, unsafe = output_rows;
      for (const Index row : rows) {
        if (rows_[row].on_inputs()) {
          given.push_back(*distinct.insert(row).first);
        } else {
          unsafe.push_back(row);
        }
      }
      std::sort(given.begin(), given.end());
      given.erase(std::unique(given.begin(), given.end()), given.end());
      const auto [found, fresh] = case_for.try_emplace(given, result.cases.size());
      if (fresh) result.cases.push_back(confined(outer, input_rows, given));
      result.cases[found->second].unsafe_outputs.push_back(halfspaces(unsafe, result.outputs));
    }
    std::erase_if(result.cases, [&](const Property::Case& c) {
      Index input = 0;
      while (input < result.inputs && c.box.lower[input] <= c.box.upper[input]) ++input;
      if (input == result.inputs) return false;
      if (result.contradiction.empty()) {
        result.contradiction =
            fmt::format("X_{0} ≥ {1} and X_{0} ≤ {2}", input, c.box.lower[input], c.box.upper[input]);
      }
      return true;
    });
    return result;
  }

  // The number of inputs (0) or outputs (1).
  Index count(int kind) const {
    const std::vector<std::size_t>& lines = declared_[kind];
    const auto gap = std::find(lines.begin(), lines.end(), 0);
    UNRECT_REQUIRE(
        !lines.empty() && gap == lines.end(), ErrorCode::kFormat,
        "{}: line {}: {}_{} is not declared, expected inputs X_i and outputs Y_i numbered from 0 without gaps", name_,
        line_, "XY"[kind], gap - lines.begin());
    const auto declared = static_cast<Index>(lines.size());
    UNRECT_REQUIRE(kind == 1 || sizes_[kind] <= declared, ErrorCode::kInvalidArgument,
                   "{}: X_{} is not declared, the network has {} inputs", name_, declared, sizes_[kind]);
    return std::max(declared, sizes_[kind]);  // outputs that it does not speak of may be left out
  }

  // Bounds the box by a row on one input; whether that says all of the row: where the bound is no double, the box is
  // wider.
  static bool tighten(Box& box, const Row& row) {
    constexpr double kTiny = 1e-250;  // no product's error underflows above
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (row.terms.size() != 1) return false;
    const auto [input, coefficient] = row.terms[0];
    double limit = row.bound / coefficient + 0.0;  // + 0: no negative zeros
    const bool exact = std::abs(coefficient) == 1 || row.bound == 0 ||
                       (std::abs(row.bound) > kTiny && std::fma(limit, coefficient, -row.bound) == 0);
    double& side = coefficient > 0 ? box.upper[input] : box.lower[input];
    if (!exact && std::isfinite(limit)) limit = std::nextafter(limit, coefficient > 0 ? kInfinity : -kInfinity);
    side = coefficient > 0 ? std::min(side, limit) : std::max(side, limit);
    return exact;
  }

  // A case's box and rows on inputs.
  Property::Case confined(const Box& outer, Conjunction input_rows, const Conjunction& given) {
    spend(2 * static_cast<std::size_t>(outer.dimension()));
    Box box = outer;
    for (const Index row : given) {
      if (!tighten(box, rows_[row])) input_rows.push_back(row);
    }
    for (Index i = 0; i < box.dimension(); ++i) {
      const bool below = std::isfinite(box.lower[i]);
      UNRECT_REQUIRE(below && std::isfinite(box.upper[i]), ErrorCode::kFormat,
                     "{}: line {}: X_{} has no finite {} bound, expected every input bounded on both sides", name_,
                     declared_[0][i], i, below ? "upper" : "lower");
    }
    return {std::move(box), halfspaces(input_rows, outer.dimension()), {}};
  }

  Halfspaces halfspaces(const Conjunction& rows, Index dimension) {
    spend(rows.size() * static_cast<std::size_t>(dimension + 1));
    Matrix normals = Matrix::Zero(static_cast<Index>(rows.size()), dimension);
    Vector offsets(normals.rows());
    for (Index i = 0; i < normals.rows(); ++i) {
      const Row& row = rows_[rows[i]];
      for (const auto& [variable, coefficient] : row.terms) normals(i, index_of(variable)) = coefficient;
      offsets[i] = row.bound;
    }
    return {std::move(normals), std::move(offsets)};
  }

  static constexpr std::string_view kKinds[2] = {"input", "output"};
  static constexpr std::string_view kSpace = " \t\r\n", kDelimiters = " \t\r\n();";

  std::string_view text_, name_;
  Index sizes_[2];  // of the network, −1: any
  std::size_t at_ = 0, line_ = 1, spent_ = 0;
  Token token_;
  std::vector<std::size_t> declared_[2];  // inputs, outputs: the line of each, 0 if there is none
  std::vector<Row> rows_;
};

}  // namespace

void require_sizes(const Property& property, Index inputs, Index outputs) {
  UNRECT_REQUIRE(property.inputs == inputs && property.outputs == outputs, ErrorCode::kInvalidArgument,
                 "the property is about {} inputs and {} outputs, the network has {} and {}", property.inputs,
                 property.outputs, inputs, outputs);
  for (std::size_t i = 0; i < property.cases.size(); ++i) {
    const Property::Case& one = property.cases[i];
    const auto require = [&](Index size, Index expected, std::string_view part) {
      UNRECT_REQUIRE(size == expected, ErrorCode::kInvalidArgument,
                     "case {} of the property: {} of {} numbers; expected {}", i, part, size, expected);
    };
    require(one.box.lower.size(), inputs, "a box");
    require(one.box.upper.size(), inputs, "a box");
    if (one.input_rows.size() > 0) require(one.input_rows.dimension(), inputs, "rows over inputs");
    UNRECT_REQUIRE(
        !one.unsafe_outputs.empty(), ErrorCode::kInvalidArgument,
        "case {} of the property has no unsafe set; expected one at least (one without rows holds every output)", i);
    for (const Halfspaces& polytope : one.unsafe_outputs) {
      require(polytope.dimension(), outputs, "rows over outputs");
    }
  }
}

bool Property::contains(const VectorRef& x, const VectorRef& y, double tolerance) const {
  UNRECT_REQUIRE(x.size() == inputs && y.size() == outputs, ErrorCode::kInvalidArgument,
                 "property: {} inputs and {} outputs, expected {} and {}", x.size(), y.size(), inputs, outputs);
  return std::any_of(cases.begin(), cases.end(), [&](const Case& c) {
    return c.box.contains(x, tolerance) && c.input_rows.contains(x, tolerance) &&
           std::any_of(c.unsafe_outputs.begin(), c.unsafe_outputs.end(),
                       [&](const Halfspaces& unsafe) { return unsafe.contains(y, tolerance); });
  });
}

Property parse_vnnlib(std::string_view bytes, std::string_view name, NetworkSizes network) {
  if (!bytes.starts_with("\x1f\x8b")) return Reader(bytes, name, network).read();
  // Deflate never grows more than 1032 times.
  return Reader(gunzip(bytes, name, std::min(kMaxBytes, (bytes.size() + 64) * 1032)), name, network).read();
}

Property read_vnnlib(const std::filesystem::path& path, NetworkSizes network) {
  return parse_vnnlib(read_file(path, kMaxBytes), path.string(), network);
}

}  // namespace unrect
