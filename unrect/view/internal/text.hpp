// Text that may come from anywhere (a node's name, a file's path), made safe to show; bytes made text.
#pragma once

#include <string>
#include <string_view>

namespace unrect {

/// Valid UTF-8 without control characters: a damaged byte or a control character becomes U+FFFD, a tab or a line break
/// a space (kept when `keep_lines`).
std::string printable(std::string_view text, bool keep_lines = false);

/// Columns that printable UTF-8 takes in a terminal: 0 for combining marks, 2 for East Asian wide characters and emoji.
int display_width(std::string_view text);

/// The first characters of printable UTF-8, `count` of them at most.
std::string_view first_characters(std::string_view text, std::size_t count);

/// `printable` text with & < > " ' written as entities: safe between tags and in quoted attributes.
std::string escape_html(std::string_view text, bool keep_lines = false);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

}  // namespace unrect
