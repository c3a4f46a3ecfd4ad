#include "unrect/view/table.hpp"

#include <gtest/gtest.h>

#include "unrect/base/error.hpp"
#include "unrect/view/internal/markup_for_tests.hpp"
#include "unrect/view/internal/text.hpp"

namespace unrect {
namespace {

TEST(Table, AlignsByWhatATerminalShows) {
  const Table table{{"Größe", "n", "time"}, {{"你好", "12", "1.5 s"}, {"e\u0301", "–", "0.25 s"}, {"plain", "7", ""}}};
  EXPECT_EQ(to_text(table),
            "Größe   n    time\n"
            "─────  ──  ──────\n"
            "你好   12   1.5 s\n"
            "e\u0301       –  0.25 s\n"
            "plain   7\n");
}

TEST(Table, ColumnsWithWordsStartAtTheLeft) {
  EXPECT_EQ(to_text({{"a", "b"}, {{"1", "2x3"}, {"22", "≤ 5"}}}), " a  b\n──  ───\n 1  2x3\n22  ≤ 5\n");
  EXPECT_EQ(to_text({{"b"}, {{"1e-7"}, {"−∞"}, {"≤ 12 %"}}, "C"}), "C\n\n     b\n──────\n  1e-7\n    −∞\n≤ 12 %\n");
}

TEST(Table, HtmlIsEscaped) {
  const std::string html = to_html({{"<b>", "n"}, {{"\"a\" & 'b'", "1"}}, "x<y"});
  EXPECT_EQ(markup_problem(html), "");
  EXPECT_NE(html.find("<th>&lt;b&gt;</th>"), std::string::npos);
  EXPECT_NE(html.find("<td>&quot;a&quot; &amp; &#39;b&#39;</td>"), std::string::npos);
  EXPECT_NE(html.find("<td class=\"number\">1</td>"), std::string::npos);
  EXPECT_NE(html.find("<caption>x&lt;y</caption>"), std::string::npos);
}

TEST(Table, RaggedRowsAreRefused) {
  EXPECT_THROW(to_text({{"a", "b"}, {{"1"}}}), Error);
  EXPECT_THROW(to_html({{"a"}, {{"1", "2"}}}), Error);
  EXPECT_EQ(to_text({{"a"}, {}}), "a\n─\n");
}

TEST(Text, ControlCharactersAndDamagedBytesAreReplaced) {
  EXPECT_EQ(printable("a\x1b[31m\tb\nc"), "a\ufffd[31m b c");
  EXPECT_EQ(printable("a\n\tb", true), "a\n\tb");
  EXPECT_EQ(printable("\xc3"), "\ufffd");
  EXPECT_EQ(printable("\xc0\xaf"), "\ufffd\ufffd");            // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");  // a surrogate
  EXPECT_EQ(printable("ok \u00e9 \U0001f600"), "ok \u00e9 \U0001f600");
  EXPECT_EQ(escape_html(std::string("<\0>", 3)), "&lt;\ufffd&gt;");
}

TEST(Text, WidthsAndFirstCharacters) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("\U0001f600漢"), 4);
  EXPECT_EQ(display_width("e\u0301"), 1);
  EXPECT_EQ(first_characters("aé漢z", 3), "aé漢");
  EXPECT_EQ(first_characters("ab", 9), "ab");
}

}  // namespace
}  // namespace unrect
