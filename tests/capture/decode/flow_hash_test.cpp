// The flow hash is keyed: flows that were chosen so that an unkeyed one gives them all one value are spread like any others.
#include <gtest/gtest.h>
#include <nmmintrin.h>

#include <cstring>
#include <set>

#include "capture/decode/decode.h"

namespace parallax {
namespace {

Sighting from_client(uint32_t address, uint16_t port) {
  Sighting s{};
  s.protocol = ip_protocol::tcp;
  s.source = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  s.destination = s.source;
  for (size_t i = 0; i < 4; ++i) s.source[12 + i] = static_cast<uint8_t>(address >> (24 - 8 * i));
  s.destination[12] = 203;
  s.source_port = port;
  s.destination_port = 443;
  return s;
}

uint32_t crc_of_address(const Address& address) {
  uint64_t low, high;
  std::memcpy(&low, address.data(), 8);
  std::memcpy(&high, address.data() + 8, 8);
  return static_cast<uint32_t>(_mm_crc32_u64(_mm_crc32_u64(0x9e3779b9, low), high));
}

TEST(FlowHash, FlowsWhoseChecksumsCollideAreSpread) {
  // CRC32C takes the port as it takes the address before it: where two addresses differ in the low half alone, a port makes up
  // for it, whatever the checksum begins with.
  const uint32_t wanted = crc_of_address(from_client(0x0a000001, 0).source);
  std::set<uint32_t> hashes;
  size_t flows = 0;
  for (uint32_t address = 0x0a000000; address < 0x0b000000; ++address) {
    const uint32_t crc = crc_of_address(from_client(address, 0).source);
    if (crc >> 16 != wanted >> 16) continue;
    const Sighting s = from_client(address, static_cast<uint16_t>(1024 ^ crc ^ wanted));
    ASSERT_EQ(_mm_crc32_u32(crc, s.source_port), _mm_crc32_u32(wanted, 1024)) << "they do not collide";
    hashes.insert(flow_hash(s));
    ++flows;
  }
  ASSERT_GT(flows, 200u);
  EXPECT_EQ(hashes.size(), flows);
}

TEST(FlowHash, BothDirectionsHaveTheSame) {
  const Sighting there = from_client(0x0a000001, 1024);
  Sighting back = there;
  std::swap(back.source, back.destination);
  std::swap(back.source_port, back.destination_port);
  EXPECT_EQ(flow_hash(there), flow_hash(back));
  // And it tells a:1 - b:2 from a:2 - b:1.
  Sighting crossed = there;
  std::swap(crossed.source_port, crossed.destination_port);
  EXPECT_NE(flow_hash(there), flow_hash(crossed));
}

TEST(FlowHash, EveryBitOfTheTupleCounts) {
  const Sighting flow = from_client(0x0a000001, 1024);
  std::set<uint32_t> hashes{flow_hash(flow)};
  for (size_t bit = 0; bit < 128; ++bit) {
    Sighting other = flow;
    other.source[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    hashes.insert(flow_hash(other));
  }
  for (size_t bit = 0; bit < 16; ++bit) {
    Sighting other = flow;
    other.destination_port ^= static_cast<uint16_t>(1 << bit);
    hashes.insert(flow_hash(other));
  }
  EXPECT_GE(hashes.size(), 144u);  // one pair may collide by chance: 145 values of 32 bits
}

}  // namespace
}  // namespace parallax
