// The sentence of ports_swapped where the point has one port alone.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/run_text.h"

namespace parallax::test {
namespace {

constexpr const char* kSwapped = R"(path outside inside
endpoint a 192.0.2.10:40000 beyond outside ttl 60
endpoint server 198.51.100.1:80 beyond inside ttl 62
swapped inside
@0        outside inside  a > server  S  0
@0.001    inside outside  server > a  S. 0 ack 1
@0.00125  outside inside  a > server  .  1 ack 1
@0.00225  outside inside  a > server  P. 1:101 ack 1
@0.00325  inside outside  server > a  P. 1:501 ack 101
@0.0034   outside inside  a > server  .  101 ack 501
expect anything
)";

std::string sentence_of(bool with_both_ports) {
  ParsedScenario parsed = parse_scenario("text", kSwapped, Variant::fault);
  EXPECT_TRUE(parsed.scenario) << parsed.error;
  if (!parsed.scenario) return {};
  auto& ports = parsed.scenario->input.ports;
  if (!with_both_ports) std::erase_if(ports, [](const InputPort& port) { return port.info.name == "inside-in"; });
  for (const FindingRecord& finding : run(parsed.scenario->input, 1).findings) {
    if (finding.kind == FindingKind::ports_swapped) return finding.summary;
  }
  return {};
}

TEST(PortsSwapped, OfATapTheTwoPortsAreTheWrongWayRound) {
  EXPECT_NE(sentence_of(true).find("the ports of that TAP are the wrong way round."), std::string::npos) << sentence_of(true);
}

TEST(PortsSwapped, OfOnePortItsDirectionIsWrong) {
  EXPECT_NE(sentence_of(false).find("its direction is the wrong one."), std::string::npos) << sentence_of(false);
}

}  // namespace
}  // namespace parallax::test
