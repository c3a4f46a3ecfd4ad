#include "unrect/view/internal/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace unrect {
namespace {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;  // 0 for a sequence that is not UTF-8
};

Character decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
  if (bytes == 0 || text.size() < bytes) return {};
  char32_t code = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if (byte(i) >> 6 != 2) return {};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  static constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool valid = code >= kLeast[bytes] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return valid ? Character{code, bytes} : Character{};
}

template <std::size_t N>
bool in_any(char32_t code, const std::array<std::array<char32_t, 2>, N>& blocks) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const auto& b) { return b[0] <= code && code <= b[1]; });
}

// Blocks of the Unicode standard (East Asian Width W and F; combining marks and joiners), coarse on purpose.
int width_of(char32_t code) {
  static constexpr std::array<std::array<char32_t, 2>, 7> kNone = {{{0x300, 0x36f},
                                                                    {0x1ab0, 0x1aff},
                                                                    {0x1dc0, 0x1dff},
                                                                    {0x200b, 0x200f},
                                                                    {0x20d0, 0x20ff},
                                                                    {0xfe00, 0xfe0f},
                                                                    {0xfe20, 0xfe2f}}};
  static constexpr std::array<std::array<char32_t, 2>, 11> kWide = {{{0x1100, 0x115f},
                                                                     {0x2e80, 0x303e},
                                                                     {0x3041, 0xa4cf},
                                                                     {0xac00, 0xd7a3},
                                                                     {0xf900, 0xfaff},
                                                                     {0xfe30, 0xfe6f},
                                                                     {0xff00, 0xff60},
                                                                     {0xffe0, 0xffe6},
                                                                     {0x1f300, 0x1f64f},
                                                                     {0x1f680, 0x1f9ff},
                                                                     {0x20000, 0x3fffd}}};
  return in_any(code, kNone) ? 0 : in_any(code, kWide) ? 2 : 1;
}

}  // namespace

std::string printable(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character c = decode(text);
    if (c.bytes > 0 && c.code >= 0x20 && (c.code < 0x7f || c.code > 0x9f)) {
      out += text.substr(0, c.bytes);
    } else if (c.code == '\t' || c.code == '\n' || c.code == '\r') {
      out += keep_lines && c.code != '\r' ? static_cast<char>(c.code) : ' ';
    } else {
      out += "\ufffd";
    }
    text.remove_prefix(std::max<std::size_t>(c.bytes, 1));
  }
  return out;
}

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Character c = decode(text);
    width += width_of(c.code);
    text.remove_prefix(std::max<std::size_t>(c.bytes, 1));
  }
  return width;
}

std::string_view first_characters(std::string_view text, std::size_t count) {
  std::size_t end = 0;
  while (count-- > 0 && end < text.size()) end += std::max<std::size_t>(decode(text.substr(end)).bytes, 1);
  return text.substr(0, end);
}

std::string escape_html(std::string_view text, bool keep_lines) {
  std::string out;
  for (const char c : printable(text, keep_lines)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t j) { return j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U; };
    const unsigned three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (const int shift : {18, 12, 6, 0}) out += kAlphabet[three >> shift & 63];
    for (std::size_t j = i + 3; j > bytes.size(); --j) out[out.size() - (j - bytes.size())] = '=';
  }
  return out;
}

}  // namespace unrect
