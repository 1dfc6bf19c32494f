// What the log says of a finding, and with which fields.
#include "daemon/run/finding_log.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/support/small_sensor.h"

namespace parallax {
namespace {

struct Line {
  std::string kind, text;
  LogLevel level;
  std::multimap<std::string, std::string> fields;
};

TEST(FindingLog, EachFindingIsOneLineWithItsFields) {
  const test::SmallSensor sensor(3, 5);
  std::vector<Line> lines;
  FindingLog log(sensor.state,
                 [&](std::string_view kind, LogLevel level, std::string_view text, std::span<const LogField> fields) {
                   Line& line = lines.emplace_back(Line{std::string(kind), std::string(text), level, {}});
                   for (const LogField& field : fields) line.fields.emplace(field.name, field.value);
                 });
  log.tell();
  ASSERT_FALSE(lines.empty());
  const size_t told = lines.size();
  log.tell();
  EXPECT_EQ(lines.size(), told) << "once";
  const FindingRecord finding = sensor.state.engine->findings(0, 1).front();
  const Line& line = lines.front();
  EXPECT_EQ(line.kind, name_of(finding.kind));
  EXPECT_EQ(line.level, LogLevel::warning);
  EXPECT_EQ(line.text.find("finding 1: warning syn_unanswered: The device between outside and inside dropped"), 0u) << line.text;
  const std::multimap<std::string, std::string> fields{{"MESSAGE_ID", std::string(FindingLog::kMessageId)},
                                                       {"PARALLAX_FINDING", "1"},
                                                       {"PARALLAX_KIND", "syn_unanswered"},
                                                       {"PARALLAX_SEVERITY", "warning"},
                                                       {"PARALLAX_ORIGIN", "device"},
                                                       {"PARALLAX_POINT", "outside"},
                                                       {"PARALLAX_POINT", "inside"},
                                                       {"PARALLAX_SERVICE", *finding.service}};
  EXPECT_EQ(line.fields, fields);
}

}  // namespace
}  // namespace parallax
