// The spool under two rx workers, its writer, and readers at the same time: for the thread sanitizer, and for the accounts.
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

TEST(SpoolStress, TwoLanesAWriterAndReadersAgreeOnEveryPacket) {
  const TemporaryDirectory directory;
  SpoolOptions options = small_spool(directory.path());
  options.lanes = 2;
  options.lane_bytes = 256 << 10;  // few blocks: drops must happen, too
  options.limits.size = 8 << 20;
  auto opened = Spool::open(options, two_spool_ports());
  ASSERT_TRUE(opened) << opened.error();
  Spool& spool = **opened;
  spool.start();
  constexpr uint64_t kPackets = 200'000;
  std::atomic<int> running{2};
  std::vector<std::thread> workers;
  for (size_t lane = 0; lane < 2; ++lane) {
    workers.emplace_back([&, lane] {
      for (uint64_t i = 0; i < kPackets; ++i) {
        const std::vector<uint8_t> frame = numbered_frame(i, 60 + i % 200);
        spool.lane(lane).append(static_cast<PortIndex>(lane), raw_packet(frame, kSpoolTestStartNs + static_cast<int64_t>(i)));
        if (i % 4096 == 0) std::this_thread::yield();
      }
      --running;
    });
  }
  uint64_t snapshots = 0;
  while (running > 0) {
    const auto snapshot = spool.snapshot(kTimeMin, kTimeMax);
    ASSERT_TRUE(snapshot) << snapshot.error();
    const ReadBack back = read_snapshot(**snapshot);
    EXPECT_EQ(back.damaged, 0u);
    EXPECT_EQ(back.out_of_order, 0u);
    EXPECT_TRUE(std::is_sorted(back.times.begin(), back.times.end()));
    EXPECT_LE(spool.status().bytes, options.limits.size);
    ++snapshots;
  }
  for (std::thread& worker : workers) worker.join();
  spool.stop();
  const SpoolStatus status = spool.status();
  EXPECT_EQ(status.packets_written + status.dropped_packets, 2 * kPackets);
  EXPECT_GT(status.packets_written, 0u);
  EXPECT_GT(snapshots, 0u);
  EXPECT_EQ(status.write_errors, 0u);
}

}  // namespace
}  // namespace parallax
