// ICMP errors on their way back through a device: how the openings that they refuse are counted, and what became of each.
#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/pipeline.h"

namespace parallax::test {
namespace {

constexpr int64_t kStartNs = 1'700'000'000'000'000'000, kMs = 1'000'000;
constexpr size_t kOutside = 0, kInside = 1;

class IcmpErrors : public testing::Test {
 protected:
  IcmpErrors() {
    input_.options.path = {"outside", "inside"};
    input_.options.offline = true;
    for (const Direction direction : kDirections) {
      for (uint8_t point = 0; point < 2; ++point) {
        InputPort port;
        port.info.name = "p" + std::to_string(input_.ports.size());
        port.info.point = point;
        port.info.direction = port_direction(direction);
        input_.ports.push_back(port);
      }
    }
  }
  void show(size_t point, Direction direction, int64_t at_ms, const Frame& frame) {
    const size_t port = 2 * (direction == Direction::toward_inside ? 0 : 1) + point;
    input_.ports[port].frames.push_back({kStartNs + at_ms * kMs, 0, frame});
  }
  // A SYN that crosses, and the ICMP error that a router beyond sends for it, which leaves the device or does not.
  void refused_opening(uint16_t client_port, int64_t at_ms, bool passes) {
    const Ip there{.source = address("192.0.2.10"), .destination = address("198.51.100.1"), .id = client_port};
    const Frame syn =
        tcp_frame(there, {.source_port = client_port, .destination_port = 443, .seq = client_port, .flags = tcp_flag::syn});
    const Ip back{.source = address("10.0.7.1"), .destination = address("192.0.2.10")};
    const Frame error = icmp_error_frame(back, {.type = 3, .code = 1}, syn);
    show(kOutside, Direction::toward_inside, at_ms, syn);
    show(kInside, Direction::toward_inside, at_ms, syn);
    show(kInside, Direction::toward_outside, at_ms + 2, error);
    if (passes) show(kOutside, Direction::toward_outside, at_ms + 2, error);
  }
  PipelineOutput output() {
    const PipelineOutput one = run(input_, 1);
    for (const size_t workers : {2, 4}) EXPECT_EQ(run(input_, workers).text(input_.options.path), one.text(input_.options.path));
    return one;
  }

  PipelineInput input_;
};

uint64_t count(const PipelineOutput& output, size_t point, Outcome outcome) {
  return output.counters.points[point].handshakes[static_cast<size_t>(outcome)];
}

TEST_F(IcmpErrors, AnOpeningThatTheyRefuseIsNotCountedAsUnanswered) {
  refused_opening(40000, 0, true);
  const PipelineOutput output = this->output();
  for (const size_t point : {kOutside, kInside}) {
    EXPECT_EQ(count(output, point, Outcome::refused), 1u);
    EXPECT_EQ(count(output, point, Outcome::unanswered), 0u);
  }
}

TEST_F(IcmpErrors, EachPointCountsWhatItHasSeen) {
  refused_opening(40000, 0, false);
  const PipelineOutput output = this->output();
  EXPECT_EQ(count(output, kInside, Outcome::refused), 1u);
  EXPECT_EQ(count(output, kOutside, Outcome::unanswered), 1u);
}

TEST_F(IcmpErrors, WhatTheDeviceDroppedOfThemIsItsLoss) {
  for (uint16_t i = 0; i < 5; ++i) refused_opening(40000 + i, 1000 * i, i != 3);
  refused_opening(41000, 20'000, true);
  const PipelineOutput output = this->output();
  ASSERT_EQ(output.devices.size(), 1u);
  const DeviceTraffic& back = output.devices[0].traffic[Direction::toward_outside];
  EXPECT_EQ(back.entered, 6u);
  EXPECT_EQ(back.forwarded, 5u);
  EXPECT_EQ(back.lost, 1u);
  EXPECT_EQ(back.undecided, 0u);
}

// The device changes the server's address, and leaves what the errors quote as it was.
TEST_F(IcmpErrors, WhatLeftUntranslatedIsNotLost) {
  for (uint16_t i = 0; i < 5; ++i) {
    const uint16_t port = 40000 + i;
    const auto opening = [&](const char* server) {
      return tcp_frame({.source = address("192.0.2.10"), .destination = address(server), .id = port},
                       {.source_port = port, .destination_port = 443, .seq = port * 1000u, .flags = tcp_flag::syn});
    };
    const Ip back{.source = address("10.0.7.1"), .destination = address("192.0.2.10")};
    const Frame error = icmp_error_frame(back, {.type = 3, .code = 1}, opening("10.20.0.3"));
    show(kOutside, Direction::toward_inside, 1000 * i, opening("198.51.100.1"));
    show(kInside, Direction::toward_inside, 1000 * i, opening("10.20.0.3"));
    for (const size_t point : {kInside, kOutside}) show(point, Direction::toward_outside, 1000 * i + 2, error);
  }
  refused_opening(41000, 20'000, true);
  const PipelineOutput output = this->output();
  ASSERT_EQ(output.devices.size(), 1u);
  const DeviceTraffic& back = output.devices[0].traffic[Direction::toward_outside];
  EXPECT_EQ(back.entered, 6u);
  EXPECT_EQ(back.lost, 0u);
  EXPECT_EQ(back.undecided, 5u);
}

// A capture of TCP alone: the errors may well have left.
TEST_F(IcmpErrors, WhereThePointShowsNoneTheyAreUndecided) {
  for (InputPort& port : input_.ports) port.as_file = true;
  for (uint16_t i = 0; i < 5; ++i) refused_opening(40000 + i, 1000 * i, false);
  const PipelineOutput output = run(input_, 1);
  ASSERT_EQ(output.devices.size(), 1u);
  EXPECT_EQ(output.devices[0].traffic[Direction::toward_outside].lost, 0u);
  EXPECT_EQ(output.devices[0].traffic[Direction::toward_outside].undecided, 5u);
}

}  // namespace
}  // namespace parallax::test
