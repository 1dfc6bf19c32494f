// The same output for any number of workers, on traffic that is made so that time decides: datagrams on five-tuples that fall
// silent and speak again about when a leg is over, at times that coincide, with a few TCP connections between them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/packet_builder.h"
#include "tests/support/pipeline.h"
#include "tests/support/random.h"

namespace parallax::test {
namespace {

constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kMs = 1'000'000, kSecond = 1'000'000'000;

struct Ends {
  Address client, server;
  uint16_t client_port, server_port;
};
Ends ends_of(uint64_t flow) {
  return {.client = address("10.1.0." + std::to_string(1 + flow % 200)),
          .server = address("10.9.0." + std::to_string(1 + flow % 5)),
          .client_port = static_cast<uint16_t>(30000 + flow),
          .server_port = static_cast<uint16_t>(5000 + flow % 7)};
}

// How often a flow is TCP, and whether all of these begin with one of two sequence numbers.
struct Shape {
  uint64_t tcp_one_in = 10;
  bool shared_isn = false;
};

PipelineInput traffic(uint64_t seed, Shape shape) {
  Random random(seed);
  PipelineInput input;
  input.options.path = {"outside", "inside"};
  input.options.offline = true;
  for (uint8_t point = 0; point < 2; ++point) {
    InputPort port;
    port.info.name = point == 0 ? "outside.pcap" : "inside.pcap";
    port.info.point = point;
    port.info.direction = PortDirection::both;
    input.ports.push_back(port);
  }
  const auto show = [&](size_t point, int64_t at_ns, const Frame& frame) {
    input.ports[point].frames.push_back({kStartNs + at_ns, 0, frame});
  };
  for (uint64_t flow = 0; flow < 300; ++flow) {
    const Ends ends = ends_of(flow);
    int64_t at_ns = static_cast<int64_t>(random.below(20)) * 100 * kMs;
    for (uint64_t packet = 0, packets = random.between(1, 6); packet < packets; ++packet) {
      const bool answer = packet > 0 && random.chance(0.4);
      const Ip there{.source = ends.client, .destination = ends.server, .id = static_cast<uint16_t>(1 + packet)};
      const Ip back{.source = ends.server, .destination = ends.client, .id = static_cast<uint16_t>(1 + packet)};
      const std::vector<uint8_t> payload = stream_bytes(static_cast<uint32_t>(flow), 0, 20);
      const uint16_t from = answer ? ends.server_port : ends.client_port, to = answer ? ends.client_port : ends.server_port;
      const Tcp syn{.source_port = ends.client_port,
                    .destination_port = ends.server_port,
                    .seq = static_cast<uint32_t>(1000 * (shape.shared_isn ? 1 : flow) + random.below(2)),
                    .flags = tcp_flag::syn};
      const Frame frame = flow % shape.tcp_one_in == 0
                              ? tcp_frame(there, syn)
                              : udp_frame(answer ? back : there, {.source_port = from, .destination_port = to}, payload);
      // A third is seen at one point only; the others cross at once, within the tie of stamps, or a silence later.
      const uint64_t where = random.below(4);
      if (where != 0) show(0, at_ns, frame);
      if (where != 1) show(1, at_ns + (where == 2 ? static_cast<int64_t>(random.between(59'900, 60'100)) * kMs : 0), frame);
      // About the time after which a leg is over, to the nanosecond.
      at_ns += random.chance(0.5) ? 60 * kSecond + static_cast<int64_t>(random.below(3)) - 1
                                  : static_cast<int64_t>(random.below(700)) * 100 * kMs;
    }
  }
  for (InputPort& port : input.ports)
    std::stable_sort(port.frames.begin(), port.frames.end(),
                     [](const TimedFrame& a, const TimedFrame& b) { return a.time_ns < b.time_ns; });
  return input;
}

void expect_the_same(Shape shape) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const PipelineInput input = traffic(seed, shape);
    const auto& path = input.options.path;
    const PipelineOutput one = run(input, 1);
    ASSERT_TRUE(one.finished);
    const std::string text = one.text(path);
    EXPECT_EQ(text, run(input, 2).text(path));
    EXPECT_EQ(text, run(input, 4).text(path));
    EXPECT_EQ(text, run_threaded(input, 4).text(path));
  }
}

TEST(AnyNumberOfWorkers, SaysTheSameOfDatagramsThatFallSilent) { expect_the_same({}); }

// Each may be paired with any other, and is with whoever is clear at the time.
TEST(AnyNumberOfWorkers, SaysTheSameOfClientsThatShareSequenceNumbers) {
  expect_the_same({.tcp_one_in = 10, .shared_isn = true});
  expect_the_same({.tcp_one_in = 2, .shared_isn = true});
}

}  // namespace
}  // namespace parallax::test
