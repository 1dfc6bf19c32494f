// The sum of a datagram's payload: the same whatever a NAT makes of its addresses and ports.
#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/wire.h"

namespace parallax {
namespace {

using test::address;

uint32_t sum_of(const test::Frame& frame) {
  const test::Decoded d = test::decoded(frame);
  EXPECT_EQ(d.error, DecodeError::none);
  return d.sighting.seq;
}

uint32_t sum_of(const char* from, const char* to, test::Udp ports, std::vector<uint8_t> payload) {
  return sum_of(test::udp_frame({.source = address(from), .destination = address(to)}, ports, payload));
}

TEST(PayloadSum, IsTheSameUnderOtherNames) {
  for (uint32_t length : {1u, 2u, 47u, 48u, 1400u}) {
    const auto payload = test::stream_bytes(1, 0, length);
    const uint32_t sum = sum_of("192.0.2.10", "198.51.100.1", {40000, 53}, payload);
    EXPECT_NE(sum, 0u);
    EXPECT_EQ(sum, sum_of("10.0.0.1", "10.0.0.80", {61001, 5353}, payload));
    EXPECT_EQ(sum, sum_of("2001:db8::1", "2001:db8:1::80", {61001, 53}, payload)) << "NAT64";
    auto other = payload;
    other[0] ^= 1;
    EXPECT_NE(sum, sum_of("10.0.0.1", "10.0.0.80", {61001, 5353}, other));
  }
}

// As a host leaves it to its network card: the field holds the sum of the pseudo-header (RFC 768) alone.
test::Frame offloaded(const test::Ip& ip, std::span<const uint8_t> payload) {
  test::Frame frame = test::udp_frame(ip, {40000, 53}, payload);
  uint64_t sum = uint64_t{ip_protocol::udp} + 8 + payload.size();
  for (const Address* of : {&ip.source, &ip.destination}) {
    for (size_t i = 0; i < of->size(); i += 2) sum += static_cast<uint64_t>((*of)[i]) << 8 | (*of)[i + 1];
  }
  while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
  const size_t field = frame.size() - payload.size() - 2;
  frame[field] = static_cast<uint8_t>(sum >> 8);
  frame[field + 1] = static_cast<uint8_t>(sum);
  return frame;
}

TEST(PayloadSum, WhereTheCardHasYetToSumItIsTakenFromTheBytes) {
  for (uint32_t length : {1u, 2u, 47u, 48u, 1400u}) {
    const auto payload = test::stream_bytes(1, 0, length);
    const uint32_t sum = sum_of("192.0.2.10", "198.51.100.1", {40000, 53}, payload);
    EXPECT_EQ(sum_of(offloaded({.source = address("10.0.0.1"), .destination = address("10.0.0.80")}, payload)), sum) << length;
    EXPECT_EQ(sum_of(offloaded({.source = address("2001:db8::1"), .destination = address("2001:db8::2")}, payload)), sum);
  }
  test::Frame cut =
      offloaded({.source = address("10.0.0.1"), .destination = address("10.0.0.80")}, test::stream_bytes(1, 0, 200));
  Sighting sighting{};
  const auto length = static_cast<uint32_t>(cut.size());
  EXPECT_EQ(decode({cut.data(), 128, length, LinkType::ethernet}, sighting), DecodeError::none);
  EXPECT_GT(sighting.seq, 0xffffu) << "not all of its bytes are there: the first ones are hashed";
}

TEST(PayloadSum, WithoutAChecksumItIsAHashOfTheFirstBytes) {
  const auto unsummed = [](const char* source, std::vector<uint8_t> payload) {
    auto frame = test::udp_frame({.source = address(source), .destination = address("198.51.100.1")}, {40000, 53}, payload);
    frame[14 + 20 + 6] = frame[14 + 20 + 7] = 0;
    return sum_of(frame);
  };
  const std::vector<uint8_t> payload(48, 'x'), other(48, 'y');
  EXPECT_GT(unsummed("192.0.2.10", payload), 0xffffu) << "no sum is so large";
  EXPECT_EQ(unsummed("192.0.2.10", payload), unsummed("10.0.0.1", payload));
  EXPECT_NE(unsummed("192.0.2.10", payload), unsummed("192.0.2.10", other));
  EXPECT_EQ(unsummed("192.0.2.10", {}), 0u) << "nothing is known of it";
}

// Payload of nothing but zeros sums to either zero of ones' complement.
TEST(PayloadSum, HasOneZero) {
  const std::vector<uint8_t> zeros(64, 0), ones(64, 0xff);
  EXPECT_EQ(sum_of("192.0.2.10", "198.51.100.1", {40000, 53}, zeros), sum_of("10.0.0.1", "10.0.0.2", {1, 2}, ones));
}

}  // namespace
}  // namespace parallax
