// The same output for any number of workers, on traffic that is made so that time decides: datagrams on five-tuples that fall
// silent and speak again about when a leg is over, at times that coincide, with a few TCP connections between them; and proxied
// connections that are open when the input ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
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

PipelineInput two_files() {
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
  return input;
}

void sort_by_time(PipelineInput& input) {
  for (InputPort& port : input.ports)
    std::stable_sort(port.frames.begin(), port.frames.end(),
                     [](const TimedFrame& a, const TimedFrame& b) { return a.time_ns < b.time_ns; });
}

PipelineInput traffic(uint64_t seed, Shape shape) {
  Random random(seed);
  PipelineInput input = two_files();
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
  sort_by_time(input);
  return input;
}

// One connection as a point sees it.
class Conversation {
 public:
  Conversation(InputPort& port, const Ends& ends)
      : port_(port), ends_(ends), next_{uint32_t{1000} * ends.client_port, uint32_t{7} * ends.client_port} {}

  void open(int64_t at_ns) {
    send(at_ns, Side::client, tcp_flag::syn, "");
    ++next_[Side::client];
    send(at_ns + kMs / 10, Side::server, tcp_flag::syn | tcp_flag::ack, "");
    ++next_[Side::server];
    send(at_ns + kMs / 5, Side::client, tcp_flag::ack, "");
  }
  void say(int64_t at_ns, Side from, const std::string& text) {
    send(at_ns, from, tcp_flag::psh | tcp_flag::ack, text);
    next_[from] += static_cast<uint32_t>(text.size());
  }
  // What the side has said last is `text`.
  void say_again(int64_t at_ns, Side from, const std::string& text) {
    next_[from] -= static_cast<uint32_t>(text.size());
    say(at_ns, from, text);
  }

 private:
  void send(int64_t at_ns, Side from, uint8_t flags, const std::string& text) {
    const bool is_client = from == Side::client;
    const Ip ip{.source = is_client ? ends_.client : ends_.server, .destination = is_client ? ends_.server : ends_.client};
    const Tcp tcp{.source_port = is_client ? ends_.client_port : ends_.server_port,
                  .destination_port = is_client ? ends_.server_port : ends_.client_port,
                  .seq = next_[from],
                  .ack = (flags & tcp_flag::ack) ? next_[opposite(from)] : 0,
                  .flags = flags};
    port_.frames.push_back({kStartNs + at_ns, 0, tcp_frame(ip, tcp, std::vector<uint8_t>(text.begin(), text.end()))});
  }

  InputPort& port_;
  const Ends ends_;
  PerSide<uint32_t> next_;  // sequence numbers
};

// The answer to each client is sent again before the input ends: of its exchange nothing is said once that is known.
PipelineInput proxied_and_open() {
  PipelineInput input = two_files();
  for (uint16_t i = 0; i < 64; ++i) {
    const int64_t at_ns = i * kMs;
    const Ends client{address("198.51.100.7"), address("198.51.100.1"), static_cast<uint16_t>(20000 + i), 80};
    const Ends proxy{address("10.0.0.1"), address("10.0.0.2"), static_cast<uint16_t>(50000 + 7 * i), 8080};
    Conversation outside(input.ports[0], client), inside(input.ports[1], proxy);
    outside.open(at_ns);
    outside.say(at_ns + 2 * kMs, Side::client, "what is it?");
    inside.open(at_ns + 3 * kMs);
    const std::string header = "PROXY TCP4 198.51.100.7 198.51.100.1 " + std::to_string(client.client_port) + " 80\r\n";
    inside.say(at_ns + 4 * kMs, Side::client, header + "what is it?");
    inside.say(at_ns + 14 * kMs, Side::server, "an answer");
    outside.say(at_ns + 15 * kMs, Side::server, "an answer");
    outside.say_again(at_ns + 20 * kMs, Side::server, "an answer");
  }
  sort_by_time(input);
  return input;
}

constexpr uint64_t kLosing = 600, kLostOfEach = 30;

// Connections through a router that loses segments of each, which their sender repeats; nothing follows on these connections.
// What became of the segments is told when the input ends, all at once, and is some times what the ring to the correlator holds.
PipelineInput losses_told_at_the_end() {
  PipelineInput input = two_files();
  for (uint16_t i = 0; i < kLosing; ++i) {
    const Ends ends{address("10.1.0.1"), address("10.9.0.1"), static_cast<uint16_t>(20000 + i), 80};
    Conversation outside(input.ports[0], ends), inside(input.ports[1], ends);
    const int64_t at_ns = i * kMs;
    outside.open(at_ns);
    inside.open(at_ns + kMs / 20);
    outside.say(at_ns + kMs, Side::client, "what is it?");
    inside.say(at_ns + kMs + kMs / 20, Side::client, "what is it?");
    inside.say(at_ns + 2 * kMs, Side::server, "an answer");
    outside.say(at_ns + 2 * kMs + kMs / 20, Side::server, "an answer");
    for (int64_t segment = 0; segment < static_cast<int64_t>(kLostOfEach); ++segment) {
      const int64_t lost_ns = at_ns + (3 + 16 * segment) * kMs, repeated_ns = lost_ns + 12 * kMs;
      outside.say(lost_ns, Side::client, "and what more?");
      outside.say_again(repeated_ns, Side::client, "and what more?");
      inside.say(repeated_ns + kMs / 20, Side::client, "and what more?");
    }
  }
  for (InputPort& port : input.ports) Conversation(port, {address("10.1.0.2"), address("10.9.0.1"), 1025, 80}).open(20 * kSecond);
  sort_by_time(input);
  return input;
}

void expect_the_same(const PipelineInput& input) {
  const auto& path = input.options.path;
  const PipelineOutput one = run(input, 1);
  ASSERT_TRUE(one.finished);
  const std::string text = one.text(path);
  EXPECT_EQ(text, run(input, 2).text(path));
  EXPECT_EQ(text, run(input, 4).text(path));
  EXPECT_EQ(text, run_threaded(input, 4).text(path));
}

void expect_the_same_of(Shape shape) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    expect_the_same(traffic(seed, shape));
  }
}

TEST(AnyNumberOfWorkers, SaysTheSameOfDatagramsThatFallSilent) { expect_the_same_of({}); }

// Each may be paired with any other, and is with whoever is clear at the time.
TEST(AnyNumberOfWorkers, SaysTheSameOfClientsThatShareSequenceNumbers) {
  expect_the_same_of({.tcp_one_in = 10, .shared_isn = true});
  expect_the_same_of({.tcp_one_in = 2, .shared_isn = true});
}

// Whether the client's leg ends first or the proxy's, decides on what is known of the exchange.
TEST(AnyNumberOfWorkers, SaysTheSameOfLegsThatAreOpenAtTheEnd) {
  const PipelineInput input = proxied_and_open();
  EXPECT_EQ(run(input, 1).summary.paired_connections, 64u);
  expect_the_same(input);
}

// A worker that has come to its end is polled no more, so it must not say so while something still waits for room.
TEST(AnyNumberOfWorkers, TellsAllThatItKnowsAtTheEnd) {
  const PipelineInput input = losses_told_at_the_end();
  const PipelineOutput one = run(input, 1);
  ASSERT_TRUE(one.finished);
  ASSERT_EQ(one.devices.size(), 1u);
  EXPECT_EQ(one.devices[0].segments_lost[Direction::toward_inside], kLosing * kLostOfEach);
  expect_the_same(input);
}

}  // namespace
}  // namespace parallax::test
