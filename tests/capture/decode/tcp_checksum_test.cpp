#include "capture/decode/tcp_checksum.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

constexpr size_t kEthernet = 14, kIpv4 = 20, kChecksum = 16;

ChecksumState state_of(const DecodedFrame& frame) { return tcp_checksum_state(frame, frame); }

DecodedFrame decoded(const test::Frame& frame) {
  DecodedFrame result;
  const FrameView view{frame.data(), static_cast<uint32_t>(frame.size()), static_cast<uint32_t>(frame.size()),
                       LinkType::ethernet};
  EXPECT_EQ(decode(view, result), DecodeError::none);
  return result;
}

test::Frame segment(const char* from, const char* to, size_t length, bool timestamps = false) {
  test::Tcp tcp{.source_port = 40000, .destination_port = 80, .seq = 1000, .ack = 2000, .flags = tcp_flag::ack};
  if (timestamps) tcp.timestamps = {1, 2};
  return test::tcp_frame({.source = test::address(from), .destination = test::address(to)}, tcp,
                         test::stream_bytes(1, 0, length));
}

TEST(TcpChecksum, RightOnesFitWhateverTheLength) {
  for (const size_t length : {1, 2, 3, 4, 5, 1459, 1460}) {
    EXPECT_EQ(state_of(decoded(segment("192.0.2.1", "198.51.100.1", length))), ChecksumState::right) << length;
    EXPECT_EQ(state_of(decoded(segment("2001:db8::1", "2001:db8::2", length, true))), ChecksumState::right) << length;
  }
}

TEST(TcpChecksum, ABitMakesItWrong) {
  for (const size_t length : {1, 100, 1460}) {
    test::Frame frame = segment("192.0.2.1", "198.51.100.1", length);
    frame.back() ^= 4;
    EXPECT_EQ(state_of(decoded(frame)), ChecksumState::wrong) << length;
  }
}

TEST(TcpChecksum, WhatIsLeftToTheNetworkCardIsNotWrong) {
  test::Frame frame = segment("192.0.2.1", "198.51.100.1", 100);
  // 192.0 + 2.1 + 198.51 + 100.1 + protocol 6 + length 120
  uint32_t sum = 0xc000 + 0x0201 + 0xc633 + 0x6401 + 6 + 120;
  sum = (sum >> 16) + (sum & 0xffff);
  frame[kEthernet + kIpv4 + kChecksum] = static_cast<uint8_t>(sum >> 8);
  frame[kEthernet + kIpv4 + kChecksum + 1] = static_cast<uint8_t>(sum);
  EXPECT_EQ(state_of(decoded(frame)), ChecksumState::offloaded);
  sum -= 120;  // as for the card to cut it up
  frame[kEthernet + kIpv4 + kChecksum] = static_cast<uint8_t>(sum >> 8);
  frame[kEthernet + kIpv4 + kChecksum + 1] = static_cast<uint8_t>(sum);
  EXPECT_EQ(state_of(decoded(frame)), ChecksumState::offloaded);
  frame[kEthernet + kIpv4 + kChecksum] = frame[kEthernet + kIpv4 + kChecksum + 1] = 0;
  EXPECT_EQ(state_of(decoded(frame)), ChecksumState::offloaded);
}

TEST(TcpChecksum, NothingIsSaidOfWhatWasCutShort) {
  test::Frame frame = segment("192.0.2.1", "198.51.100.1", 100);
  DecodedFrame result;
  const FrameView view{frame.data(), static_cast<uint32_t>(frame.size() - 1), static_cast<uint32_t>(frame.size()),
                       LinkType::ethernet};
  ASSERT_EQ(decode(view, result), DecodeError::none);
  EXPECT_EQ(state_of(result), ChecksumState::unknown);
}

}  // namespace
}  // namespace parallax
