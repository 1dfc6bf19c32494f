#include "capture/source/af_packet_ring.h"

#include <gtest/gtest.h>
#include <linux/if_packet.h>

#include <cstring>
#include <vector>

namespace parallax {
namespace {

constexpr AfPacketRingShape kShape{.block_bytes = 4096, .frame_bytes = 2048, .frames = 4};

// The kernel's part of the ring.
struct Ring {
  std::vector<uint64_t> memory = std::vector<uint64_t>(kShape.frames * kShape.frame_bytes / 8);

  const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(memory.data()); }
  tpacket2_hdr& frame(size_t i) { return *reinterpret_cast<tpacket2_hdr*>(memory.data() + i * kShape.frame_bytes / 8); }
  void fill(size_t i, uint32_t second, uint32_t nanosecond, uint32_t length, uint32_t status = 0) {
    frame(i).tp_sec = second, frame(i).tp_nsec = nanosecond, frame(i).tp_snaplen = length;
    frame(i).tp_status = TP_STATUS_USER | status;
  }
};

TEST(AfPacketRing, TellsTheStampsOfWhatIsReadyAndNoMore) {
  Ring memory;
  AfPacketRing ring(memory.bytes(), kShape, 0);
  EXPECT_EQ(ring.look(32), 0u);
  memory.fill(0, 7, 5, 60);
  memory.fill(1, 7, 9, 1514);
  EXPECT_EQ(ring.look(1), 1u);
  ASSERT_EQ(ring.look(32), 2u);
  EXPECT_EQ(ring.waiting(0).stamp_ns, 7'000'000'005);
  EXPECT_EQ(ring.waiting(1).stamp_ns, 7'000'000'009);
  EXPECT_EQ(ring.waiting(1).length, 1514u);
}

TEST(AfPacketRing, GoesRoundWithTheDriver) {
  Ring memory;
  AfPacketRing ring(memory.bytes(), kShape, 6);  // so many were discarded: the next is frame 2
  memory.fill(2, 1, 2, 60);
  memory.fill(3, 1, 3, 60);
  memory.fill(0, 1, 4, 60);
  ASSERT_EQ(ring.look(32), 3u);
  EXPECT_EQ(ring.waiting(2).stamp_ns, 1'000'000'004);
  ring.taken(2);
  memory.frame(2).tp_status = memory.frame(3).tp_status = TP_STATUS_KERNEL;
  ASSERT_EQ(ring.look(32), 1u);
  EXPECT_EQ(ring.waiting(0).stamp_ns, 1'000'000'004);
}

TEST(AfPacketRing, CountsTheTagThatTheDriverPutsBack) {
  Ring memory;
  AfPacketRing ring(memory.bytes(), kShape, 0);
  memory.fill(0, 1, 2, 60, TP_STATUS_VLAN_VALID);
  ASSERT_EQ(ring.look(32), 1u);
  EXPECT_EQ(ring.waiting(0).length, 64u);
}

TEST(AfPacketRing, NothingIsFoundWhereTheDriverHasNoRing) {
  EXPECT_FALSE(AfPacketRing::find(0, kShape, 0).has_value());
  EXPECT_FALSE(AfPacketRing::find(0, {.block_bytes = 4096, .frame_bytes = 3000, .frames = 4}, 0).has_value());
}

}  // namespace
}  // namespace parallax
