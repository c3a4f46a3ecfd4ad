#include "unrect/view/report.hpp"

#include <gtest/gtest.h>

#include <set>

#include "unrect/base/error.hpp"
#include "unrect/view/internal/markup_for_tests.hpp"

namespace unrect {
namespace {

Report sample() {
  const Figure figure = Figure({.title = "f"}).points(Matrix{{0, 0}, {1, 2}}, {.name = "p"});
  Report report("Title <script>");
  report.heading("A & B")
      .paragraph("<img src=x onerror=alert(1)>")
      .table({{"n"}, {{"1"}}})
      .figure(figure, "one \"quoted\"")
      .figure(figure)
      .png(figure.png())
      .preformatted("line <1>\n\tline 2");
  return report;
}

TEST(Report, IsWellFormedEscapedAndRepeatable) {
  const std::string html = sample().html();
  EXPECT_EQ(markup_problem(html), "");
  EXPECT_EQ(html, sample().html());
  EXPECT_NE(html.find("<title>Title &lt;script&gt;</title>"), std::string::npos);
  EXPECT_NE(html.find("<p>&lt;img src=x onerror=alert(1)&gt;</p>"), std::string::npos);
  EXPECT_NE(html.find("<pre>line &lt;1&gt;\n\tline 2</pre>"), std::string::npos);
  EXPECT_NE(html.find("aria-label=\"one &quot;quoted&quot;\""), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("<?xml"), std::string::npos);
}

TEST(Report, FetchesNothing) {
  std::string html = sample().html();
  for (const std::string_view name : {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}) {
    for (std::size_t at = 0; (at = html.find(name)) != std::string::npos;) html.erase(at, name.size());
  }
  for (const std::string_view way : {"http:", "https:", "//", "@import", "url(h"}) {
    const std::size_t data = html.find("base64,");  // base64 may hold // by chance
    EXPECT_EQ(html.substr(0, data).find(way), std::string::npos) << way;
  }
  EXPECT_EQ(count(html, "data:image/png;base64,iVBORw0KGgo"), 1);
}

TEST(Report, NamesDifferBetweenPictures) {
  const std::string html = sample().html();
  std::set<std::string> seen;
  for (std::size_t at = 0; (at = html.find(" id=\"", at)) != std::string::npos;) {
    at += 5;
    const std::string name = html.substr(at, html.find('"', at) - at);
    EXPECT_TRUE(seen.insert(name).second) << name;
  }
  EXPECT_GT(seen.size(), 10u);
  for (std::size_t at = 0; (at = html.find("href=\"#", at)) != std::string::npos;) {
    at += 7;
    EXPECT_TRUE(seen.contains(html.substr(at, html.find('"', at) - at)));
  }
}

TEST(Report, PngIsBase64) {
  // RFC 4648 test: the PNG signature followed by 0, 1 and 2 more bytes has every kind of padding.
  const std::string signature = "\x89PNG\r\n\x1a\n";
  const auto html = [&](const std::string& more) { return Report("t").png(signature + more).html(); };
  EXPECT_NE(html("").find("base64,iVBORw0KGgo=\""), std::string::npos);
  EXPECT_NE(html("f").find("base64,iVBORw0KGgpm\""), std::string::npos);
  EXPECT_NE(html("fo").find("base64,iVBORw0KGgpmbw==\""), std::string::npos);
  EXPECT_THROW(Report("t").png("GIF89a"), Error);
}

TEST(Report, AFolderThatIsMissingIsAFileError) {
  try {
    sample().save("/nonexistent-folder/report.html");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFile);
  }
}

}  // namespace
}  // namespace unrect
