// A point that shows packets twice, long ago and again: each of the two findings has its own numbers.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/run_text.h"

namespace parallax::test {
namespace {

// `segments` of a conversation, each shown twice.
std::string doubled(const char* client, int begin_s, int segments) {
  std::string text;
  const auto line = [&](int at_us, const std::string& what, int id) {
    for (const int later_us : {0, 5}) {
      const std::string at = std::to_string(begin_s) + '.' + std::to_string(1'000'000 + at_us + later_us).substr(1);
      text += '@' + at + "  here  " + what + " id " + std::to_string(id) + '\n';
    }
  };
  const std::string out = std::string(client) + " > server", back = std::string("server > ") + client;
  line(0, out + "  S 0", 100);
  line(1000, back + "  S. 0 ack 1", 101);
  line(2000, out + "  . 1 ack 1", 102);
  for (int i = 0; i < segments; ++i) {
    const std::string begin = std::to_string(1 + 100 * i), end = std::to_string(101 + 100 * i);
    line(3000 + 2000 * i, out + "  P. " + begin + ':' + end + " ack 1", 103 + 2 * i);
    line(4000 + 2000 * i, back + "  . 1 ack " + end, 104 + 2 * i);
  }
  return text;
}

TEST(Copies, EachIncidentTellsItsOwn) {
  const std::string text =
      "path here\nspan here\nendpoint a 192.0.2.10:40000 beyond here ttl 60\nendpoint b 192.0.2.11:40001 beyond here ttl 60\n"
      "endpoint server 198.51.100.1:443 beyond here after ttl 64\n" +
      doubled("a", 0, 20) + doubled("b", 40'000, 30) + "expect anything\n";
  const PipelineOutput output = run_text(text.c_str());
  std::vector<const FindingRecord*> told;
  for (const FindingRecord& finding : output.findings) {
    if (finding.kind == FindingKind::duplicate_capture) told.push_back(&finding);
  }
  ASSERT_EQ(told.size(), 2u);
  EXPECT_NE(told[0]->summary, told[1]->summary);
  for (const FindingRecord* finding : told) {
    EXPECT_NE(finding->summary.find(' ' + std::to_string(finding->count) + " of "), std::string::npos) << finding->summary;
  }
}

}  // namespace
}  // namespace parallax::test
