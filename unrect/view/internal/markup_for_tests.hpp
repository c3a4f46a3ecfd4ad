// What the tests of this room ask of SVG and HTML.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace unrect {

/// "" when every tag is closed in order and every attribute is quoted, else where it goes wrong. Void HTML elements
/// need no end.
inline std::string markup_problem(std::string_view text) {
  static const std::set<std::string, std::less<>> kVoid = {"meta", "img", "br"};
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string_view::npos;) {
    std::size_t end = at;
    bool quoted = false;
    while (++end < text.size() && (quoted || text[end] != '>')) {
      if (text[end] == '"') quoted = !quoted;
      if (text[end] == '<' && !quoted) return "'<' within " + std::string(text.substr(at, 60));
    }
    if (end == text.size()) return "no end to " + std::string(text.substr(at, 60));
    const std::string_view tag = text.substr(at + 1, end - at - 1);
    at = end;
    if (tag[0] == '?' || tag[0] == '!' || tag.back() == '/') continue;
    const std::string name(tag.substr(0, tag.find_first_of(" \n")));
    if (name[0] == '/') {
      if (open.empty() || "/" + open.back() != name) return "unexpected <" + name + ">";
      open.pop_back();
    } else if (!kVoid.contains(name)) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

inline int count(std::string_view text, std::string_view what) {
  int n = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; at += what.size()) ++n;
  return n;
}

}  // namespace unrect
