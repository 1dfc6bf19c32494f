// What legs show before they are paired: a fast path carries hundreds of packets within the milliseconds that a pairing takes.
#include "analysis/fate/early_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/scenario.h"

namespace parallax::test {
namespace {

constexpr size_t kSlots = 4 * EarlyLog::kPerLegMost;

size_t fill(EarlyLog& log, LogList& list, size_t most) {
  size_t taken = 0;
  for (PairSighting s{}; taken < most; ++taken) {
    s.seq = static_cast<uint32_t>(taken);
    if (!log.append(list, s)) break;
  }
  return taken;
}

std::vector<uint32_t> numbers_in(const EarlyLog& log, const LogList& list) {
  std::vector<uint32_t> numbers;
  log.for_each(list, [&](const PairSighting& s) { numbers.push_back(s.seq); });
  return numbers;
}

// A download of which all 302 segments pass within 1 ms, but for the last but one.
std::string fast_download() {
  std::string text = R"(path outside inside
endpoint client 192.0.2.10:40000  beyond outside ttl 60
endpoint server 198.51.100.1:443  beyond inside  ttl 64
at inside client is 10.0.0.1:51000
at inside server is 10.0.0.80:443
transit 0.000005
+0.000    outside inside  client > server  S  0
+0.00001  inside outside  server > client  S. 0 ack 1
+0.00001  outside inside  client > server  .  1 ack 1
+0.00001  outside inside  client > server  P. 1:101 ack 1
)";
  const auto segment = [&text](const char* when_and_where, uint32_t begin) {
    text += std::string(when_and_where) + " server > client . " + std::to_string(begin) + ":" + std::to_string(begin + 1000) +
            " ack 101\n";
  };
  for (uint32_t i = 0; i < 300; ++i) segment("+0.000003 inside outside", 1 + 1000 * i);
  segment("+0.000003 inside", 300001);
  segment("+0.000003 inside outside", 301001);
  return text + R"(+0.00001  outside inside  client > server  .  101 ack 300001
+0.0001   inside outside  server > client  .  300001:301001 ack 101
+0.00001  outside inside  client > server  .  101 ack 302001
expect anything
)";
}

TEST(EarlyLog, KeepsTheOrderAndGivesTheRoomBack) {
  EarlyLog log(kSlots, false);
  for (int round = 0; round < 3; ++round) {
    LogList list{}, other{};
    EXPECT_EQ(fill(log, list, 3), 3u);
    EXPECT_EQ(fill(log, other, 2), 2u);
    EXPECT_EQ(numbers_in(log, list), (std::vector<uint32_t>{0, 1, 2}));
    log.clear(list);
    EXPECT_TRUE(numbers_in(log, list).empty());
    EXPECT_EQ(numbers_in(log, other), (std::vector<uint32_t>{0, 1}));
    log.clear(other);
  }
  LogList list{};
  EXPECT_EQ(fill(log, list, kSlots), EarlyLog::kPerLegMost);
}

TEST(EarlyLog, OneLegTakesMuchOnlyWhileTheOthersHaveRoom) {
  EarlyLog log(kSlots, false);
  std::vector<LogList> lists(kSlots / EarlyLog::kPerLeg);
  EXPECT_EQ(fill(log, lists[0], kSlots), EarlyLog::kPerLegMost);
  EXPECT_EQ(fill(log, lists[1], kSlots), EarlyLog::kPerLegMost);
  EXPECT_EQ(fill(log, lists[2], kSlots), EarlyLog::kPerLeg) << "half of the pool is in use";
}

TEST(EarlyLog, GrowsForFiles) {
  EarlyLog log(1, true);
  LogList list{}, other{};
  EXPECT_EQ(fill(log, list, kSlots), EarlyLog::kPerLegMost);
  EXPECT_EQ(fill(log, other, kSlots), EarlyLog::kPerLegMost);
}

TEST(EarlyLog, ALossBehindHundredsOfPacketsIsFound) {
  ParsedScenario parsed = parse_scenario("fast download", fast_download(), Variant::fault);
  ASSERT_TRUE(parsed.scenario) << parsed.error;
  for (const bool offline : {true, false}) {
    parsed.scenario->input.options.offline = offline;
    const PipelineOutput output = run(parsed.scenario->input, 1);
    ASSERT_EQ(output.devices.size(), 1u) << offline;
    EXPECT_EQ(output.devices[0].traffic[Direction::toward_outside].lost, 1u) << offline;
    EXPECT_EQ(output.devices[0].traffic[Direction::toward_outside].undecided, 0u) << offline;
  }
}

}  // namespace
}  // namespace parallax::test
