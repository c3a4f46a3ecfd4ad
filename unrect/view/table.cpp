#include "unrect/view/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "unrect/base/error.hpp"
#include "unrect/view/internal/text.hpp"

namespace unrect {
namespace {

bool is_number(std::string_view cell) {
  if (cell.empty() || cell == "-" || cell == "–" || cell == "—" || cell == "∞") return true;
  for (const std::string_view sign : {"≤", "≥", "≈", "<", ">", "~", " ", "+", "−", "-"}) {
    if (cell.starts_with(sign)) cell.remove_prefix(sign.size());
  }
  double value = 0;
  const auto [end, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (problem == std::errc::invalid_argument) return cell.starts_with("∞");
  const std::string_view unit = cell.substr(static_cast<std::size_t>(end - cell.data()));
  return unit.empty() || unit.starts_with(" ") || unit.starts_with("%") || unit.starts_with("×");
}

// For each column, whether its cells are numbers.
std::vector<bool> numeric_columns(const Table& table) {
  std::vector<bool> numeric(table.header.size(), !table.rows.empty());
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const std::vector<std::string>& row = table.rows[i];
    UNRECT_REQUIRE(row.size() == table.header.size(), ErrorCode::kInvalidArgument,
                   "table row {} has {} cells: expected {}, as in the header", i, row.size(), table.header.size());
    for (std::size_t j = 0; j < row.size(); ++j) numeric[j] = numeric[j] && is_number(row[j]);
  }
  return numeric;
}

}  // namespace

std::string to_text(const Table& table) {
  const std::vector<bool> numeric = numeric_columns(table);
  std::vector<int> width(table.header.size());
  const auto widen = [&](const std::vector<std::string>& row) {
    for (std::size_t j = 0; j < row.size(); ++j) width[j] = std::max(width[j], display_width(printable(row[j])));
  };
  widen(table.header);
  for (const std::vector<std::string>& row : table.rows) widen(row);

  std::string out;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t j = 0; j < row.size(); ++j) {
      const std::string cell = printable(row[j]);
      const std::string space(static_cast<std::size_t>(width[j] - display_width(cell)), ' ');
      line += (j == 0 ? "" : "  ") + (numeric[j] ? space + cell : cell + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  if (!table.caption.empty()) out += printable(table.caption) + "\n\n";
  add(table.header);
  std::vector<std::string> rule(table.header.size());
  for (std::size_t j = 0; j < rule.size(); ++j) {
    for (int k = 0; k < width[j]; ++k) rule[j] += "─";
  }
  add(rule);
  for (const std::vector<std::string>& row : table.rows) add(row);
  return out;
}

std::string to_html(const Table& table) {
  const std::vector<bool> numeric = numeric_columns(table);
  std::string out = "<table>\n";
  const auto add = [&](const std::vector<std::string>& row, std::string_view tag) {
    out += "<tr>";
    for (std::size_t j = 0; j < row.size(); ++j) {
      out += fmt::format("<{0}{1}>{2}</{0}>", tag, numeric[j] ? " class=\"number\"" : "", escape_html(row[j]));
    }
    out += "</tr>\n";
  };
  if (!table.caption.empty()) out += "<caption>" + escape_html(table.caption) + "</caption>\n";
  out += "<thead>\n";
  add(table.header, "th");
  out += "</thead>\n<tbody>\n";
  for (const std::vector<std::string>& row : table.rows) add(row, "td");
  return out + "</tbody>\n</table>\n";
}

}  // namespace unrect
