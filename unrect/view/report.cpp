#include "unrect/view/report.hpp"

#include <fmt/format.h>

#include <array>

#include "unrect/base/error.hpp"
#include "unrect/base/file.hpp"
#include "unrect/view/internal/text.hpp"

namespace unrect {
namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --ink: #1f2430; --muted: #6b7280; --line: #dfe2e8; --soft: #f5f6f8; --page: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ed; --muted: #9aa3b2; --line: #353b47; --soft: #20242c; --page: #15181e; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 3rem 1.25rem 4rem; max-width: 50rem; background: var(--page); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { margin: 0 0 1.5rem; font-size: 1.9rem; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; }
h2 { margin: 2.5rem 0 0.75rem; font-size: 1.25rem; font-weight: 650; }
p { margin: 0 0 1rem; max-width: 42rem; }
figure { margin: 1.75rem 0; }
.picture { padding: 0.5rem; background: #ffffff; border: 1px solid var(--line); border-radius: 8px; text-align: center; }
.picture svg, .picture img { display: block; margin: 0 auto; max-width: 100%; height: auto; }
figcaption, caption { padding: 0.5rem 0; color: var(--muted); font-size: 0.9rem; text-align: left; }
.wide { margin: 1.25rem 0; overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.93rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.35rem 1.5rem 0.35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { border-bottom: 2px solid var(--line); font-weight: 600; }
.number { text-align: right; }
pre { margin: 1.25rem 0; padding: 0.9rem 1rem; overflow-x: auto; background: var(--soft); border-radius: 8px;
  font: 0.85rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
@media print {
  :root { --ink: #000000; --muted: #555555; --line: #cccccc; --soft: #f5f5f5; --page: #ffffff; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  figure, tr, pre { break-inside: avoid; }
  h2 { break-after: avoid; }
  pre { white-space: pre-wrap; }
}
)";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t start = 0;
  for (std::size_t at = 0; (at = text.find(from, start)) != std::string::npos; start = at + from.size()) {
    out.append(text, start, at - start).append(to);
  }
  text = std::move(out.append(text, start));
}

std::string picture(std::string_view content, std::string_view caption) {
  const std::string words = escape_html(caption);
  return fmt::format("<figure>\n<div class=\"picture\" role=\"img\" aria-label=\"{}\">{}</div>\n{}</figure>\n", words,
                     content, words.empty() ? "" : "<figcaption>" + words + "</figcaption>\n");
}

}  // namespace

Report::Report(std::string_view title) : title_(escape_html(title)) {}

Report& Report::heading(std::string_view text) {
  body_ += "<h2>" + escape_html(text) + "</h2>\n";
  return *this;
}

Report& Report::paragraph(std::string_view text) {
  body_ += "<p>" + escape_html(text) + "</p>\n";
  return *this;
}

Report& Report::table(const Table& table) {
  body_ += "<div class=\"wide\">\n" + to_html(table) + "</div>\n";
  return *this;
}

Report& Report::figure(const Figure& figure, std::string_view caption) {
  std::string svg = figure.svg();
  svg.erase(0, svg.find("<svg"));
  // Names must differ between the pictures of a page.
  const std::string prefix = fmt::format("f{}-", ++figures_);
  replace_all(svg, " id=\"", " id=\"" + prefix);
  replace_all(svg, "href=\"#", "href=\"#" + prefix);
  replace_all(svg, "url(#", "url(#" + prefix);
  body_ += picture(svg, caption);
  return *this;
}

Report& Report::png(std::string_view bytes, std::string_view caption) {
  UNRECT_REQUIRE(bytes.starts_with("\x89PNG\r\n\x1a\n"), ErrorCode::kInvalidArgument,
                 "picture of {} bytes: expected a PNG file's", bytes.size());
  body_ += picture("<img alt=\"\" src=\"data:image/png;base64," + base64(bytes) + "\">", caption);
  return *this;
}

Report& Report::preformatted(std::string_view text) {
  body_ += "<pre>" + escape_html(text, true) + "</pre>\n";
  return *this;
}

std::string Report::html() const {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n"
      "<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n{2}</body>\n</html>\n",
      title_, kStyle, body_);
}

void Report::save(const std::filesystem::path& path) const { write_file(path, html()); }

}  // namespace unrect
