#include "unrect/polytope/mip.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <iterator>
#include <unordered_map>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"

namespace unrect {
namespace {

template <class... Args>
void append(std::string& text, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
}

const std::string& name_of(const Mip& mip, int variable) {
  return mip.variables[static_cast<std::size_t>(variable)].name;
}

// One solution file, line by line and word by word.
class SolutionReader {
 public:
  SolutionReader(std::string_view text, std::string_view name, const Mip& mip) : text_(text), name_(name), mip_(mip) {
    solution_.values = Vector::Zero(static_cast<Index>(mip.variables.size()));
  }

  MipSolution read() {
    next_line();
    const bool cbc = line_.find("objective value") != std::string_view::npos;
    expect(cbc || line_.starts_with("c "), "a solution of Cbc (\"Optimal - objective value …\") or of glpsol -w");
    if (cbc)
      read_cbc();
    else
      read_glpk();
    return std::move(solution_);
  }

 private:
  void expect(bool holds, const std::string& what) const {
    UNRECT_REQUIRE(holds, ErrorCode::kFormat, "{}: line {}: expected {}", name_, number_, what);
  }

  bool next_line() {
    if (text_.empty()) return false;
    const std::size_t end = text_.find('\n');
    line_ = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    ++number_;
    return true;
  }

  std::string_view word() {
    const std::size_t start = line_.find_first_not_of(" \t\r");
    if (start == std::string_view::npos) return line_ = {};
    line_.remove_prefix(start);
    const std::string_view found = line_.substr(0, line_.find_first_of(" \t\r"));
    line_.remove_prefix(found.size());
    return found;
  }

  double number(std::string_view text) const {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    expect(error == std::errc() && end == text.data() + text.size() && std::isfinite(value), "a finite number");
    return value;
  }

  // "Optimal - objective value 1.5", then "0 x_0 0.25 0" a variable; "**" before one that misses its bounds.
  void read_cbc() {
    solution_.status = line_.substr(0, line_.find(" - "));
    std::unordered_map<std::string_view, Index> places;
    for (std::size_t v = 0; v < mip_.variables.size(); ++v)
      places.emplace(mip_.variables[v].name, static_cast<Index>(v));
    while (next_line()) {
      std::string_view first = word();
      if (first.empty()) continue;
      if (first == "**") first = word();
      number(first);
      const std::string_view variable = word();
      const auto place = places.find(variable);
      expect(place != places.end(), fmt::format("a variable of this program, found \"{}\"", variable.substr(0, 40)));
      solution_.values[place->second] = number(word());
    }
  }

  // GLPK's letters in Cbc's words. A basis has one for each of the two linear programs.
  std::string glpk_status(std::string_view kind) {
    std::string_view letter = word();
    if (kind == "bas") letter = word() == letter && letter == "f" ? "o" : "u";
    return letter == "o" ? "Optimal" : letter == "f" ? "Feasible" : letter == "n" ? "Infeasible" : "Undefined";
  }

  // "s mip ROWS COLUMNS o VALUE" or "s bas …", "s ipt …"; "j 3 0.25" a variable, with its status before it in a basis.
  void read_glpk() {
    std::string_view kind;
    std::vector<char> seen(mip_.variables.size(), 0);
    std::size_t count = 0;
    for (bool ended = false; !ended;) {
      expect(next_line(), "\"e o f\" at the end");
      const std::string_view first = word();
      if (first == "s") {
        kind = word();
        expect(kind == "mip" || kind == "bas" || kind == "ipt", "s mip, s bas or s ipt");
        word();
        const double columns = number(word());
        expect(columns == static_cast<double>(mip_.variables.size()),
               fmt::format("{} columns as this program has, found {}", mip_.variables.size(), columns));
        solution_.status = glpk_status(kind);
      } else if (first == "j") {
        const double place = number(word());
        expect(!kind.empty() && place >= 1 && place <= static_cast<double>(seen.size()) && place == std::floor(place),
               fmt::format("a column of 1 … {}", seen.size()));
        if (kind == "bas") word();
        const auto v = static_cast<Index>(place) - 1;
        expect(seen[static_cast<std::size_t>(v)] == 0, "each column once");
        seen[static_cast<std::size_t>(v)] = 1;
        ++count;
        solution_.values[v] = number(word());
      } else {
        ended = first == "e";
        expect(ended || first == "c" || first == "i" || first.empty(), "a line that begins with c, s, i, j or e");
      }
    }
    expect(count == seen.size(), fmt::format("{} columns, found {}", seen.size(), count));
  }

  std::string_view text_, name_;
  const Mip& mip_;
  MipSolution solution_;
  std::string_view line_;
  std::size_t number_ = 0;
};

}  // namespace

int Mip::add(std::string name, double lower, double upper, double cost, bool integer) {
  variables.push_back({std::move(name), lower, upper, cost, integer});
  return static_cast<int>(variables.size()) - 1;
}

Index Mip::entries() const {
  std::size_t sum = 0;
  for (const Row& row : rows) sum += row.terms.size();
  return static_cast<Index>(sum);
}

Vector row_residuals(const Mip& mip, const VectorRef& x) {
  UNRECT_REQUIRE(x.size() == static_cast<Index>(mip.variables.size()), ErrorCode::kInvalidArgument,
                 "{} values for a program of {} variables", x.size(), mip.variables.size());
  Vector out(static_cast<Index>(mip.rows.size()));
  for (std::size_t r = 0; r < mip.rows.size(); ++r) {
    double sum = -mip.rows[r].right;
    for (const auto& [variable, coefficient] : mip.rows[r].terms) sum += coefficient * x[variable];
    out[static_cast<Index>(r)] = mip.rows[r].equal ? std::abs(sum) : std::max(0.0, sum);
  }
  return out;
}

std::string format_mps(const Mip& mip) {
  std::string text;
  for (const std::string& remark : mip.remarks) append(text, "* {}\n", remark);
  text += "NAME unrect FREE\nROWS\n N cost\n";
  std::vector<std::string> columns(mip.variables.size());
  std::string right;
  for (const Mip::Row& row : mip.rows) {
    append(text, " {} {}\n", row.equal ? 'E' : 'L', row.name);
    for (const auto& [variable, coefficient] : row.terms)
      append(columns[static_cast<std::size_t>(variable)], " {} {} {}\n", name_of(mip, variable), row.name, coefficient);
    if (row.right != 0) append(right, " rhs {} {}\n", row.name, row.right);
  }
  text += "COLUMNS\n";
  bool integer = false;
  for (std::size_t v = 0; v < mip.variables.size(); ++v) {
    const Mip::Variable& variable = mip.variables[v];
    if (variable.integer != integer) {
      integer = !integer;
      append(text, " marker_{} 'MARKER' {}\n", v, integer ? "'INTORG'" : "'INTEND'");
    }
    append(text, " {} cost {}\n", variable.name, variable.cost);
    text += columns[v];
    std::string().swap(columns[v]);
  }
  if (integer) text += " marker_end 'MARKER' 'INTEND'\n";
  text += "RHS\n" + right + "BOUNDS\n";
  for (const Mip::Variable& variable : mip.variables) {
    if (std::isfinite(variable.lower))
      append(text, " LO bound {} {}\n", variable.name, variable.lower);
    else
      append(text, " MI bound {}\n", variable.name);
    if (std::isfinite(variable.upper)) append(text, " UP bound {} {}\n", variable.name, variable.upper);
  }
  return text + "ENDATA\n";
}

std::string format_lp(const Mip& mip) {
  std::string text;
  std::size_t line = 0;  // where it begins: readers have bounds on a line's length
  const auto term = [&](int variable, double coefficient) {
    if (text.size() - line > 200) {
      text += "\n ";
      line = text.size();
    }
    append(text, " {:+} {}", coefficient, name_of(mip, variable));
  };
  for (const std::string& remark : mip.remarks) append(text, "\\ {}\n", remark);
  text += "Minimize\n cost:";
  line = text.size();
  // Readers number the variables as they meet them, so that each is named here.
  for (std::size_t v = 0; v < mip.variables.size(); ++v) term(static_cast<int>(v), mip.variables[v].cost);
  text += "\nSubject To\n";
  for (const Mip::Row& row : mip.rows) {
    line = text.size();
    append(text, " {}:", row.name);
    for (const auto& [variable, coefficient] : row.terms) term(variable, coefficient);
    append(text, " {} {}\n", row.equal ? "=" : "<=", row.right);
  }
  text += "Bounds\n";
  std::string whole;
  for (const Mip::Variable& variable : mip.variables) {
    const auto bound = [](double value) {
      return std::isfinite(value) ? fmt::format("{}", value) : std::string(value > 0 ? "+inf" : "-inf");
    };
    append(text, " {} <= {} <= {}\n", bound(variable.lower), variable.name, bound(variable.upper));
    if (variable.integer) append(whole, " {}\n", variable.name);
  }
  if (!whole.empty()) text += "General\n" + whole;
  return text + "End\n";
}

void write_mip(const std::filesystem::path& path, const Mip& mip) {
  const bool lp = path.extension() == ".lp";
  UNRECT_REQUIRE(lp || path.extension() == ".mps", ErrorCode::kInvalidArgument,
                 "'{}' ends in '{}'; expected .mps or .lp", path.string(), path.extension().string());
  write_file(path, lp ? format_lp(mip) : format_mps(mip));
}

MipSolution parse_mip_solution(std::string_view text, std::string_view name, const Mip& mip) {
  return SolutionReader(text, name, mip).read();
}

}  // namespace unrect
