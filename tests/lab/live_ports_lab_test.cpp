// Live ports on a pair of virtual interfaces in a network namespace of the test's own: nothing that was sent is missing
// without being counted, and a loss is known before the watermark passes it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>

#include "capture/rx/poll_thread.h"
#include "capture/rx/rx_worker.h"
#include "capture/source/dpdk_source.h"
#include "capture/source/eal.h"
#include "capture/source/libpcap_source.h"

// The af_xdp driver does not give back one small block of its own.
extern "C" const char* __lsan_default_suppressions() { return "leak:xsk_umem__create"; }

namespace parallax {
namespace {

bool run(const std::string& command) { return std::system((command + " 2>/dev/null").c_str()) == 0; }

// As root, or as root of a user namespace: the rest of the process lives in a network of its own.
bool enter_namespace() {
  static const bool entered = [] {
    const uid_t user = geteuid();
    const gid_t group = getegid();
    if (user == 0) return unshare(CLONE_NEWNET) == 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
    return true;
  }();
  return entered;
}

class LivePortsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (clock_ != nullptr || !enter_namespace()) return;  // once for all suites
    std::ofstream("/proc/sys/net/ipv6/conf/default/disable_ipv6") << "1";
    ready_ =
        run("ip link add m0 mtu 9000 type veth peer name m1 mtu 9000") && run("ip link set m0 up") && run("ip link set m1 up");
    clock_ = new Clock;
  }
  void SetUp() override {
    if (!ready_) GTEST_SKIP() << "needs a network namespace: run as root, or set sysctl kernel.unprivileged_userns_clone=1";
  }

  static std::string start_dpdk() {
    return eal_start({.huge_pages = false, .memory_mib = 512, .pci_addresses = {}, .arguments = {}});
  }

  // Frames into the far end: what comes out of m0 is what m0's port sees.
  static uint64_t send(uint64_t count, size_t length = 200, const char* interface = "m1") {
    const int descriptor = socket(AF_PACKET, SOCK_RAW, 0);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(if_nametoindex(interface));
    std::vector<uint8_t> frame(length, 0);
    frame[12] = 0x08;
    frame[14] = 0x45;
    frame[16] = static_cast<uint8_t>((length - 14) >> 8), frame[17] = static_cast<uint8_t>(length - 14);
    frame[22] = 64, frame[23] = 17;
    frame[38] = static_cast<uint8_t>((length - 34) >> 8), frame[39] = static_cast<uint8_t>(length - 34);
    uint64_t sent = 0;
    for (uint64_t i = 0; i < count; ++i) {
      if (sendto(descriptor, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)) > 0) ++sent;
    }
    close(descriptor);
    return sent;
  }

  // Polls by hand until nothing has come for a while.
  struct Totals {
    uint64_t received = 0, dropped = 0;
    bool loss_known_in_time = true;
  };
  static Totals drain(PacketSource& source) {
    Totals totals;
    std::array<RawPacket, 32> burst;
    int64_t former_watermark_ns = source.watermark_ns();
    for (int idle = 0; idle < 200;) {
      const size_t count = source.poll(burst);
      while (const auto loss = source.take_loss()) {
        totals.dropped += loss->count;
        // What is told now must not be older than what was already released.
        if (loss->to_ns < former_watermark_ns) totals.loss_known_in_time = false;
      }
      former_watermark_ns = source.watermark_ns();
      totals.received += count;
      idle = count == 0 ? idle + 1 : 0;
      if (count == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return totals;
  }

  static inline bool ready_ = false;
  static inline Clock* clock_ = nullptr;
};

int64_t system_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TEST_F(LivePortsTest, LibpcapSeesEveryFrameWithTheKernelsStamp) {
  const int64_t before_ns = system_now_ns();
  auto source = LibpcapSource::open("m0");
  ASSERT_TRUE(source.ok()) << source.error();
  EXPECT_EQ((*source)->link_type(), LinkType::ethernet);
  ASSERT_EQ(send(10), 10u);
  std::array<RawPacket, 32> burst;
  ASSERT_EQ((*source)->poll(burst), 10u);
  int64_t former_ns = before_ns;
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_GE(burst[i].time_ns, former_ns);
    EXPECT_LE(burst[i].time_ns, system_now_ns());
    EXPECT_EQ(burst[i].wire_length, 200u);
    EXPECT_EQ(burst[i].frame, i + 1);
    former_ns = burst[i].time_ns;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(15));
  (*source)->poll(burst);
  EXPECT_GT((*source)->watermark_ns(), former_ns) << "later than the delivery bound";
  EXPECT_LE((*source)->watermark_ns(), system_now_ns());
}

TEST_F(LivePortsTest, PacketsOfOtherInterfacesWhileThePortOpensAreNotItsOwn) {
  ASSERT_EQ(start_dpdk(), "");
  ASSERT_TRUE(run("ip link add other0 type veth peer name other1") && run("ip link set other0 up") &&
              run("ip link set other1 up"));
  std::atomic<bool> done = false;
  std::thread elsewhere([&] {
    while (!done) send(100, 200, "other1");
  });
  auto source = DpdkSource::open("net_af_packet7,iface=m0", {.clock = clock_, .mbufs = 8191});
  const Totals totals = source.ok() ? drain(**source) : Totals{};
  done = true;
  elsewhere.join();
  run("ip link delete other0");
  ASSERT_TRUE(source.ok()) << source.error();
  EXPECT_EQ(totals.received + totals.dropped, 0u);
}

TEST_F(LivePortsTest, LibpcapDoesNotSeeWhatTheMachineSendsItself) {
  auto source = LibpcapSource::open("m1");
  ASSERT_TRUE(source.ok()) << source.error();
  send(10);
  EXPECT_EQ(drain(**source).received, 0u);
}

TEST_F(LivePortsTest, LibpcapCountsWhatItsBufferLost) {
  LibpcapSourceOptions options;
  options.buffer_bytes = 1 << 20;
  auto source = LibpcapSource::open("m0", options);
  ASSERT_TRUE(source.ok()) << source.error();
  const uint64_t sent = send(20'000);
  const Totals totals = drain(**source);
  EXPECT_EQ(totals.received + totals.dropped, sent);
  EXPECT_GT(totals.dropped, 0u);
  EXPECT_TRUE(totals.loss_known_in_time);
}

TEST_F(LivePortsTest, LibpcapErrorsSayWhatWouldBeRight) {
  const auto missing = LibpcapSource::open("nothere");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().find("there is no interface nothere"), std::string::npos) << missing.error();
  EXPECT_NE(missing.error().find("m0"), std::string::npos) << missing.error();
  auto first = LibpcapSource::open("m0");
  ASSERT_TRUE(first.ok()) << first.error();
  const auto second = LibpcapSource::open("m0");
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().find("already used"), std::string::npos) << second.error();
}

// Both kinds of live ports on an interface that goes down, loses its peer, or disappears.
class LiveLinkTest : public LivePortsTest {
 protected:
  void SetUp() override {
    LivePortsTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(start_dpdk(), "");
    make();
  }
  void TearDown() override { run("ip link del link0"); }
  static void make() {
    ASSERT_TRUE(run("ip link add link0 type veth peer name link1") && run("ip link set link0 up") && run("ip link set link1 up"));
  }
  static std::unique_ptr<PacketSource> open(bool dpdk) {
    if (dpdk) {
      auto source = DpdkSource::open("net_af_packet8,iface=link0", {.clock = clock_, .mbufs = 8191});
      return source.ok() ? std::move(*source) : nullptr;
    }
    auto source = LibpcapSource::open("link0", {.clock = clock_});
    return source.ok() ? std::move(*source) : nullptr;
  }

  struct Seen {
    uint64_t packets = 0;
    std::optional<PortOutage> outage;  // the last one told
    bool told_in_time = true;
  };
  static Seen poll_for(PacketSource& source, int64_t duration_ns) {
    Seen seen;
    std::array<RawPacket, 32> burst;
    for (const int64_t begun_ns = clock_->now_ns(); clock_->now_ns() - begun_ns < duration_ns;) {
      const int64_t released_ns = source.watermark_ns();
      seen.packets += source.poll(burst);
      while (const auto outage = source.take_outage()) {
        seen.outage = outage;
        seen.told_in_time &= outage->to_ns >= released_ns;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return seen;
  }
  static constexpr int64_t kNoticedNs = 300'000'000;

  // `down` happens while the port is watched, then `up`; packets come again by themselves.
  static void expect_outage(bool dpdk, const std::function<void()>& down, const std::function<void()>& up) {
    const std::unique_ptr<PacketSource> source = open(dpdk);
    ASSERT_NE(source, nullptr);
    EXPECT_FALSE(poll_for(*source, 50'000'000).outage);
    send(10, 200, "link1");
    EXPECT_EQ(poll_for(*source, 50'000'000).packets, 10u);
    const int64_t down_ns = clock_->now_ns();
    down();
    const Seen gone = poll_for(*source, kNoticedNs);
    EXPECT_FALSE(source->link_up());
    ASSERT_TRUE(gone.outage);
    EXPECT_EQ(gone.outage->cause, OutageCause::link_down);
    EXPECT_LE(gone.outage->from_ns, down_ns);
    EXPECT_GE(gone.outage->from_ns, down_ns - 50'000'000);
    EXPECT_TRUE(gone.told_in_time);
    const int64_t up_ns = clock_->now_ns();
    up();
    const Seen back = poll_for(*source, 1'000'000'000);
    EXPECT_TRUE(source->link_up());
    EXPECT_FALSE(source->finished());
    ASSERT_TRUE(back.outage);
    EXPECT_LE(back.outage->from_ns, down_ns);
    EXPECT_GE(back.outage->to_ns, up_ns);
    send(10, 200, "link1");
    const Seen again = poll_for(*source, 100'000'000);
    EXPECT_EQ(again.packets, 10u);
    EXPECT_FALSE(again.outage);
  }
};

TEST_F(LiveLinkTest, LibpcapComesBackAfterItsInterfaceWasDown) {
  expect_outage(
      false, [] { run("ip link set link0 down"); }, [] { run("ip link set link0 up"); });
}
TEST_F(LiveLinkTest, LibpcapComesBackAfterItsPeerWasDown) {
  expect_outage(
      false, [] { run("ip link set link1 down"); }, [] { run("ip link set link1 up"); });
}
TEST_F(LiveLinkTest, LibpcapComesBackAfterItsInterfaceWasMadeAnew) {
  expect_outage(
      false, [] { run("ip link del link0"); }, [] { make(); });
}
TEST_F(LiveLinkTest, AfPacketComesBackAfterItsInterfaceWasDown) {
  expect_outage(
      true, [] { run("ip link set link0 down"); }, [] { run("ip link set link0 up"); });
}
TEST_F(LiveLinkTest, AfPacketComesBackAfterItsPeerWasDown) {
  expect_outage(
      true, [] { run("ip link set link1 down"); }, [] { run("ip link set link1 up"); });
}

// The kernel's stamps tell when a packet came, also where nobody polled meanwhile.
TEST_F(LiveLinkTest, PauseOfTheSensorDoesNotMoveStampsOfTheKernel) {
  for (const bool dpdk : {false, true}) {
    const std::unique_ptr<PacketSource> source = open(dpdk);
    ASSERT_NE(source, nullptr);
    poll_for(*source, 20'000'000);
    const int64_t before_ns = clock_->now_ns();
    send(100, 200, "link1");
    const int64_t after_ns = clock_->now_ns();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::array<RawPacket, 32> burst;
    uint64_t seen = 0;
    for (size_t count = source->poll(burst); count > 0; count = source->poll(burst)) {
      seen += count;
      for (size_t i = 0; i < count; ++i) {
        EXPECT_GE(burst[i].time_ns, before_ns - 100'000);
        EXPECT_LE(burst[i].time_ns, after_ns + 1'000'000);
        EXPECT_EQ(burst[i].stamp_uncertainty_ns, 10'000u);
      }
      while (const auto outage = source->take_outage()) EXPECT_NE(outage->cause, OutageCause::paused) << dpdk;
    }
    EXPECT_EQ(seen, 100u);
  }
}

// Ports open one after the other: what another has shown before is nothing that this one has missed.
TEST_F(LiveLinkTest, NoPortCoversTheTimeBeforeItWasOpened) {
  for (const bool dpdk : {false, true}) {
    const auto source = open(dpdk);
    const int64_t opened_ns = clock_->now_ns();
    ASSERT_NE(source, nullptr);
    EXPECT_GT(source->watermark_ns(), opened_ns - 8'000'000);  // it was opened just now; by 10 ms it trusts the kernel to deliver
  }
}

TEST_F(LiveLinkTest, AfPacketRingStaysInStepWhenItRunsOver) {
  auto source =
      DpdkSource::open("net_af_packet9,iface=link0,blocksz=4096,framesz=2048,framecnt=64", {.clock = clock_, .mbufs = 1023});
  ASSERT_TRUE(source.ok()) << source.error();
  ASSERT_TRUE((*source)->stamped_on_arrival());
  std::atomic<bool> done = false;
  std::thread sender([&] {
    for (size_t length = 60; !done; length = 60 + (length + 7) % 1'000) send(2'000, length, "link1");
  });
  std::array<RawPacket, 32> burst;
  int64_t former_ns = 0;
  uint64_t seen = 0, lost = 0;
  for (const int64_t begun_ns = clock_->now_ns(); clock_->now_ns() - begun_ns < 500'000'000;) {
    const size_t count = (*source)->poll(burst);
    seen += count;
    while (const auto loss = (*source)->take_loss()) lost += loss->count;
    for (size_t i = 0; i < count; ++i) {
      EXPECT_GE(burst[i].time_ns, former_ns - 1'000);
      former_ns = burst[i].time_ns;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  done = true;
  sender.join();
  EXPECT_GT(seen, 300u);
  EXPECT_GT(lost, 0u) << "it did not run over";
  EXPECT_TRUE((*source)->stamped_on_arrival());
}

TEST_F(LivePortsTest, AfPacketCountsWhatItsRingLost) {
  ASSERT_EQ(start_dpdk(), "");
  auto source =
      DpdkSource::open("net_af_packet0,iface=m0,blocksz=4096,framesz=2048,framecnt=64", {.clock = clock_, .mbufs = 1023});
  ASSERT_TRUE(source.ok()) << source.error();
  const uint64_t sent = send(5'000);
  const Totals totals = drain(**source);
  EXPECT_EQ(totals.received + totals.dropped, sent);
  EXPECT_GT(totals.dropped, 0u);
  EXPECT_TRUE(totals.loss_known_in_time);
}

TEST_F(LivePortsTest, AfXdpCountsWhatItsRingLost) {
  ASSERT_EQ(start_dpdk(), "");
  ASSERT_TRUE(run("ip link add x0 type veth peer name x1") && run("ip link set x0 up") && run("ip link set x1 up"));
  auto source = DpdkSource::open("net_af_xdp0,iface=x0,busy_budget=0", {.clock = clock_, .mbufs = 8191});
  if (!source.ok())
    GTEST_SKIP() << "needs af_xdp: run as root (CAP_NET_ADMIN, CAP_BPF), on a kernel with XDP sockets: " << source.error();
  const uint64_t sent = send(20'000, 200, "x1");
  const Totals totals = drain(**source);
  EXPECT_EQ(totals.received + totals.dropped, sent);
  EXPECT_GT(totals.dropped, 0u);
}

TEST_F(LivePortsTest, AfPacketWithItsOwnSizesTakesJumboFrames) {
  ASSERT_EQ(start_dpdk(), "");
  auto source = DpdkSource::open("net_af_packet1,iface=m0", {.clock = clock_, .mbufs = 1023});
  ASSERT_TRUE(source.ok()) << source.error();
  ASSERT_EQ(send(3, 9'000), 3u);
  std::array<RawPacket, 32> burst;
  ASSERT_EQ((*source)->poll(burst), 3u);
  EXPECT_EQ(burst[0].captured_length, 9'000u);
}

// At 50,000 packets a second that outlasts 200 ms, where no frame is longer than 2 KiB.
TEST_F(LivePortsTest, AfPacketHoldsMorePacketsWhereTheyAreShort) {
  ASSERT_EQ(start_dpdk(), "");
  ASSERT_TRUE(run("ip link add s0 type veth peer name s1 && ethtool -K s0 tso off gso off gro off > /dev/null"));
  ASSERT_TRUE(run("ip link set s0 up") && run("ip link set s1 up"));
  auto source = DpdkSource::open("net_af_packet5,iface=s0", {.clock = clock_, .mbufs = 1023});
  ASSERT_TRUE(source.ok()) << source.error();
  const uint64_t sent = send(10'000, 200, "s1");
  const Totals totals = drain(**source);
  EXPECT_EQ(totals.received, sent);
  EXPECT_EQ(totals.dropped, 0u);
}

TEST_F(LivePortsTest, TheKernelWakesWhoWaitsForItsPorts) {
  ASSERT_EQ(start_dpdk(), "");
  ASSERT_TRUE(run("ip link add w0 type veth peer name w1") && run("ip link set w0 up") && run("ip link set w1 up"));
  const auto readable = [](const PacketSource& source) {
    pollfd descriptor{source.descriptor(), POLLIN, 0};
    return ::poll(&descriptor, 1, 1'000) == 1 && descriptor.revents == POLLIN;
  };
  std::array<RawPacket, 32> burst;
  auto libpcap = LibpcapSource::open("m0");
  auto af_packet = DpdkSource::open("net_af_packet6,iface=w0", {.clock = clock_, .mbufs = 1023});
  ASSERT_TRUE(libpcap.ok() && af_packet.ok());
  const std::array<std::pair<PacketSource*, const char*>, 2> ports{{{libpcap->get(), "m1"}, {af_packet->get(), "w1"}}};
  for (const auto& [source, far] : ports) {
    while (source->poll(burst) > 0) continue;
    ASSERT_GE(source->descriptor(), 0) << far;
    ASSERT_EQ(send(1, 200, far), 1u);
    EXPECT_TRUE(readable(*source)) << far;
    EXPECT_EQ(source->poll({}), 0u) << "nothing is taken where nothing is asked for";
    EXPECT_TRUE(readable(*source)) << far;
    EXPECT_EQ(source->poll(burst), 1u) << far;
  }
}

TEST_F(LivePortsTest, AfPacketTellsTheLengthOfFramesThatItCut) {
  ASSERT_EQ(start_dpdk(), "");
  auto source =
      DpdkSource::open("net_af_packet4,iface=m0,blocksz=4096,framesz=2048,framecnt=64", {.clock = clock_, .mbufs = 1023});
  ASSERT_TRUE(source.ok()) << source.error();
  ASSERT_EQ(send(2, 5'000), 2u);
  std::array<RawPacket, 32> burst;
  ASSERT_EQ((*source)->poll(burst), 2u);
  EXPECT_EQ(burst[0].captured_length, 1'982u);
  EXPECT_EQ(burst[0].wire_length, 5'000u);
}

TEST_F(LivePortsTest, AfPacketAndLibpcapOnOneInterfaceAreRefused) {
  ASSERT_EQ(start_dpdk(), "");
  auto source = LibpcapSource::open("m0");
  ASSERT_TRUE(source.ok()) << source.error();
  const auto second = DpdkSource::open("net_af_packet2,iface=m0", {.clock = clock_});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().find("already used"), std::string::npos) << second.error();
}

// The whole of it: two ports, an rx worker on its thread, a slow reader with a tiny ring; every frame is in one account.
TEST_F(LivePortsTest, EveryFrameSentIsAnalysedOrCounted) {
  ASSERT_EQ(start_dpdk(), "");
  auto source =
      DpdkSource::open("net_af_packet3,iface=m0,blocksz=4096,framesz=2048,framecnt=256", {.clock = clock_, .mbufs = 1023});
  ASSERT_TRUE(source.ok()) << source.error();
  std::printf("reading the counters takes %ld ns, every %ld ns\n", static_cast<long>((*source)->statistics_cost_ns()),
              static_cast<long>((*source)->statistics_interval_ns()));
  const DpdkSource& port = **source;
  PortChannel channel({.name = "m0", .source = "test"}, 1, 64);
  std::vector<RxPort> ports;
  ports.push_back({0, &channel, std::move(*source)});
  RxWorker worker(std::move(ports), {});
  PollThread thread({.name = "rx_worker", .stages = {&worker}});
  ASSERT_EQ(thread.start(), "");
  uint64_t read = 0;
  const auto read_ring = [&] {
    for (auto items = channel.rings[0]->peek(); !items.empty(); items = channel.rings[0]->peek()) {
      read += items.size();
      channel.rings[0]->pop(items.size());
    }
  };
  uint64_t sent = 0;
  for (int round = 0; round < 20; ++round) {
    sent += send(1'000);
    read_ring();
  }
  for (int i = 0; i < 100; ++i) {  // what was held back comes now
    read_ring();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  thread.request_stop();
  thread.join();
  read_ring();
  const auto drops = [&](DropReason reason) { return channel.counters.drops[static_cast<size_t>(reason)].get(); };
  EXPECT_EQ(read, channel.counters.packets.get()) << "the ring's want of room is no loss";
  EXPECT_GT(channel.counters.held_back.get(), 0u);
  EXPECT_EQ(channel.counters.packets.get() + drops(DropReason::socket), sent);
  EXPECT_EQ(channel.loss.lost(), drops(DropReason::socket));
  std::printf("sent %lu, analysed %lu, socket %lu; reading the counters takes %ld ns, every %ld ns\n", sent, read,
              drops(DropReason::socket), static_cast<long>(port.statistics_cost_ns()),
              static_cast<long>(port.statistics_interval_ns()));
}

}  // namespace
}  // namespace parallax
