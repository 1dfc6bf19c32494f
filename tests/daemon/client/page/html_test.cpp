// What came from the wire stays text.
#include "daemon/client/page/html.h"

#include <gtest/gtest.h>

#include "daemon/client/page/html_table.h"

namespace parallax {
namespace {

TEST(Html, MarkupIsEscaped) {
  EXPECT_EQ(escaped("<script>alert('1')</script>"), "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;");
  EXPECT_EQ(escaped("\" onload=\"x & y"), "&quot; onload=&quot;x &amp; y");
}

TEST(Html, ControlCharactersAndWhatTurnsTextAroundCanBeSeen) {
  EXPECT_EQ(escaped("a\x1b[31m\n"), "a?[31m?");
  EXPECT_EQ(escaped("exe.\u202Efdp"), "exe.?fdp");
  EXPECT_EQ(escaped("\u2066x\u2069\u200f"), "?x??");
  EXPECT_EQ(escaped("naïve 日本 €\xe2"), "naïve 日本 €?");
}

TEST(HtmlTable, ColumnsWithoutAnythingAreLeftOut) {
  HtmlTable table("t", {{"name"}, {"never"}, {"count", "number"}});
  table.add({text_cell("<b>"), {""}, count_cell(1234)}, "row-1");
  const std::string html = table.html();
  EXPECT_NE(html.find("<tr id=\"row-1\"><td>&lt;b&gt;</td><td class=\"number\" data-sort=\"1234\">1,234</td></tr>"),
            std::string::npos)
      << html;
  EXPECT_EQ(html.find("never"), std::string::npos);
}

TEST(HtmlTable, OneRowIsNotSortable) {
  HtmlTable table("t", {{"name"}});
  table.add({text_cell("a")});
  EXPECT_EQ(table.html().find("sortable"), std::string::npos);
  table.add({text_cell("b")});
  EXPECT_NE(table.html().find("<table id=\"t\" class=\"sortable\">"), std::string::npos);
}

}  // namespace
}  // namespace parallax
