// A table of text, for a terminal or a page.
#pragma once

#include <string>
#include <vector>

namespace unrect {

/// Cells are text, already formatted. A column whose cells are all numbers (a unit may follow; "–" and "" say that
/// there is none) is aligned to the right.
struct Table {
  std::vector<std::string> header{};
  std::vector<std::vector<std::string>> rows{};  // each as long as the header
  std::string caption{};
};

/// Columns aligned by their width in a terminal, two spaces apart, a rule under the header; ends with a line break.
/// @throws Error kInvalidArgument, naming the row, unless every row is as long as the header.
std::string to_text(const Table& table);

/// A <table> element; everything in it is escaped. @throws as to_text.
std::string to_html(const Table& table);

}  // namespace unrect
