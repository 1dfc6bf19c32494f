// A disk slower than the wire: packets are dropped in bursts, each of them counted, marked in the files and told to nobody's
// harm: whoever appends does not wait.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include "tests/support/sanitized.h"
#include "tests/support/slow_disk.h"
#include "tests/support/spool_fixture.h"

namespace parallax {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Accounts {
  uint64_t packets = 0, dropped_between = 0;
};
Accounts accounts_of(const Spool& spool) {
  Accounts accounts;
  const auto snapshot = std::move(spool.snapshot(kTimeMin, kTimeMax).value());
  SpoolReader reader(*snapshot);
  for (SpooledPacket packet; reader.next(packet); ++accounts.packets) accounts.dropped_between += packet.drop_count;
  return accounts;
}

// With direct writes: what others put into the page cache the kernel writes back at no one's account.
TEST(SlowDiskUnderTheSpool, CostsPacketsThatAreCountedAndNobodysTime) {
  const TemporaryDirectory directory;
  constexpr uint64_t kBytesPerSecond = 8 << 20, kPackets = 60'000, kBursts = 60;
  const SlowDisk slow(directory.path(), kBytesPerSecond);
  if (!slow.holds()) GTEST_SKIP() << "needs root, the blkio controller of cgroups, and temporary files on a disk";
  SpoolOptions options = small_spool(directory.path());
  options.limits.size = 256 << 20;
  options.file_size = 16 << 20;
  options.lane_bytes = 4 << 20;
  options.snaplen = 1024;
  options.flush_interval_ns = 250'000'000;
  auto opened = Spool::open(options, two_spool_ports());
  ASSERT_TRUE(opened) << opened.error();
  Spool& spool = **opened;
  spool.start();
  // Some 24 MB a second for 2.4 s.
  std::vector<Clock::duration> took;
  const Clock::time_point begin = Clock::now();
  for (uint64_t burst = 0; burst < kBursts; ++burst) {
    const Clock::time_point before = Clock::now();
    for (uint64_t i = burst * kPackets / kBursts; i < (burst + 1) * kPackets / kBursts; ++i) {
      const std::vector<uint8_t> frame = numbered_frame(i, 940);
      spool.lane(0).append(0, raw_packet(frame, kSpoolTestStartNs + static_cast<int64_t>(i) * 40'000));
    }
    took.push_back(Clock::now() - before);
    std::this_thread::sleep_until(begin + (burst + 1) * milliseconds(40));
  }
  const SpoolStatus meanwhile = spool.status();
  EXPECT_GT(meanwhile.dropped_packets, kPackets / 10);
  EXPECT_EQ(meanwhile.write_errors, 0u);
  std::sort(took.begin(), took.end());
  EXPECT_LT(took[took.size() / 2], test::kTimesSlower * milliseconds(5));  // a thousand appends

  // What is in memory goes to the disk, and then there is room again.
  for (int i = 0; i < 200 && spool.status().packets_written + spool.status().dropped_packets < kPackets; ++i)
    std::this_thread::sleep_for(milliseconds(50));
  const std::vector<uint8_t> last = numbered_frame(kPackets, 940);
  spool.lane(0).append(0, raw_packet(last, kSpoolTestStartNs + int64_t{kPackets} * 40'000));
  spool.stop();

  const SpoolStatus status = spool.status();
  EXPECT_EQ(status.packets_written + status.dropped_packets, kPackets + 1);
  const Accounts accounts = accounts_of(spool);
  EXPECT_EQ(accounts.packets, status.packets_written);
  EXPECT_EQ(accounts.dropped_between, status.dropped_packets);
  EXPECT_EQ(status.error, "");
}

}  // namespace
}  // namespace parallax
