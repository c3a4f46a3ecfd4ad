// One page that tells a result: text, tables and pictures in a single file that needs nothing else.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "unrect/view/figure.hpp"
#include "unrect/view/table.hpp"

namespace unrect {

/// Parts appear in the order in which they are added; all text is escaped. The page follows the reader's light or dark
/// setting, fetches nothing and prints well. Equal reports give equal bytes.
class Report {
 public:
  explicit Report(std::string_view title);

  Report& heading(std::string_view text);
  Report& paragraph(std::string_view text);
  Report& table(const Table& table);
  Report& figure(const Figure& figure, std::string_view caption = "");
  /// A picture in PNG, such as Figure::png() gives. @throws Error kInvalidArgument for other bytes.
  Report& png(std::string_view bytes, std::string_view caption = "");
  /// Kept as it is, line by line, in letters of equal width.
  Report& preformatted(std::string_view text);

  std::string html() const;
  /// @throws Error kFile.
  void save(const std::filesystem::path& path) const;

 private:
  std::string title_, body_;
  int figures_ = 0;
};

}  // namespace unrect
