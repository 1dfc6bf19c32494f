// Live an incident ends by the stream's time alone, and watchers are told the same of all of them in one order, whatever the
// number of workers and however large the steps are in which time passes.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/support/live_sensor.h"
#include "tests/support/packet_builder.h"

namespace parallax::test {
namespace {

constexpr int64_t kMs = LiveSensor::kMs, kSecond = 1000 * kMs;

// A connection to a server of this number, which refuses it. All of them take 40 ms.
void refuse(LiveSensor& sensor, int server, uint16_t client_port) {
  Sighting syn{};
  syn.source = address("192.0.2." + std::to_string(server));
  syn.destination = address("198.51.100." + std::to_string(server));
  syn.source_port = client_port;
  syn.destination_port = 443;
  syn.tcp_flags = tcp_flag::syn;
  syn.seq = 1000u * client_port;
  Sighting refusal = syn;
  std::swap(refusal.source, refusal.destination);
  std::swap(refusal.source_port, refusal.destination_port);
  refusal.tcp_flags = tcp_flag::rst | tcp_flag::ack;
  refusal.seq = 0;
  refusal.ack = syn.seq + 1;
  for (const auto& [first, segment] : {std::pair(0, syn), std::pair(1, refusal)}) {
    for (const int point : {first, 1 - first}) {
      sensor.show(static_cast<PointIndex>(point), segment);
      sensor.advance(10 * kMs);
    }
  }
}

std::string told(size_t workers, int64_t step_ns) {
  LiveSensor sensor(workers);
  FindingWatch watch = sensor.engine().watch_findings(Severity::info, true);
  std::string text;
  const auto pass = [&](int64_t ns) {
    sensor.advance(ns, step_ns);
    for (const auto& [finding, dropped] : sensor.engine().finding_changes(watch, SIZE_MAX)) {
      EXPECT_EQ(dropped, 0u);
      text += std::to_string(finding.id) + ' ' + std::string(name_of(finding.state)) + ": " + finding.summary + '\n';
    }
  };
  for (const int server : {3, 1, 2}) refuse(sensor, server, 40000);
  pass(20 * kSecond);
  text += "one more\n";
  refuse(sensor, 1, 40001);
  pass(580 * kSecond);
  text += "ten minutes after the first\n";
  pass(100 * kSecond);
  text += "anew\n";
  refuse(sensor, 2, 40002);
  pass(20 * kSecond);
  text += "the end\n";
  pass(700 * kSecond);
  return text;
}

TEST(ClosedByTimeLive, InOneOrderForAnyNumberOfWorkersAndAnySteps) {
  const std::string all = told(1, 20 * kMs);
  std::printf("%s", all.c_str());
  for (const char* id : {"1", "2", "3", "4"}) EXPECT_NE(all.find(std::string(id) + " closed: "), std::string::npos) << id;
  for (const size_t workers : {1, 2, 4}) {
    for (const int64_t step_ns : {20 * kMs, kSecond, 10 * kSecond})
      EXPECT_EQ(told(workers, step_ns), all) << workers << " workers, steps of " << step_ns / kMs << " ms";
  }
}

}  // namespace
}  // namespace parallax::test
