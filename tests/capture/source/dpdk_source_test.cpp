// DPDK ports on virtual devices, without huge pages and without a NIC. One EAL serves all tests of the process.
#include "capture/source/dpdk_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "capture/rx/rx_worker.h"
#include "capture/source/eal.h"
#include "capture/source/open_source.h"

// DPDK's headers are for capture/source alone; of its functions the tests need these.
extern "C" {
int rte_eth_dev_get_port_by_name(const char* name, uint16_t* port);
int rte_eth_dev_set_link_down(uint16_t port);
int rte_eth_dev_set_link_up(uint16_t port);
}

namespace parallax {
namespace {

class DpdkSourceTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string error = eal_start({.huge_pages = false, .memory_mib = 256, .pci_addresses = {}, .arguments = {}});
    ASSERT_EQ(error, "");
    clock_ = new Clock;
  }
  static Result<std::unique_ptr<DpdkSource>> open(const std::string& device, uint32_t mbufs = 1023) {
    return DpdkSource::open(device, {.clock = clock_, .mbufs = mbufs});
  }
  static Clock* clock_;
};
Clock* DpdkSourceTest::clock_ = nullptr;

// A pcap file of Ethernet frames; each is filled with its number.
class PcapFile {
 public:
  explicit PcapFile(const std::vector<uint32_t>& lengths) {
    std::ofstream out(path_, std::ios::binary);
    const auto put32 = [&](uint32_t value) { out.write(reinterpret_cast<const char*>(&value), 4); };
    put32(0xa1b2c3d4), put32(0x00040002), put32(0), put32(0), put32(65535), put32(1);
    for (uint32_t i = 0; i < lengths.size(); ++i) {
      put32(1'700'000'000 + i), put32(0), put32(lengths[i]), put32(lengths[i]);
      out << std::string(lengths[i], static_cast<char>(i));
    }
  }
  ~PcapFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_ = testing::TempDir() + "parallax_dpdk_" + std::to_string(getpid()) + ".pcap";
};

TEST_F(DpdkSourceTest, PacketsComeInOrderStampedByTheClock) {
  std::vector<uint32_t> lengths;
  for (uint32_t i = 0; i < 100; ++i) lengths.push_back(60 + i);
  const PcapFile file(lengths);
  const int64_t before_ns = clock_->now_ns();
  auto source = open("net_pcap0,rx_pcap=" + file.path());
  ASSERT_TRUE(source.ok()) << source.error();
  EXPECT_GE((*source)->watermark_ns(), before_ns);
  std::array<RawPacket, 32> burst;
  uint32_t seen = 0;
  int64_t former_ns = 0;
  for (int round = 0; round < 1'000 && seen < lengths.size(); ++round) {
    const size_t count = (*source)->poll(burst);
    const int64_t now_ns = clock_->now_ns();
    for (size_t i = 0; i < count; ++i, ++seen) {
      EXPECT_EQ(burst[i].wire_length, 60 + seen);
      EXPECT_EQ(burst[i].captured_length, 60 + seen);
      EXPECT_EQ(burst[i].data[59], static_cast<uint8_t>(seen));
      EXPECT_EQ(burst[i].frame, seen + 1);
      EXPECT_EQ(burst[i].link_type, LinkType::ethernet);
      EXPECT_GE(burst[i].time_ns, former_ns);
      EXPECT_LE(burst[i].time_ns, now_ns);
      EXPECT_LE(burst[i].time_ns - burst[i].stamp_uncertainty_ns, burst[i].time_ns);
      EXPECT_GE(burst[i].time_ns - burst[i].stamp_uncertainty_ns, before_ns);
      former_ns = burst[i].time_ns;
    }
  }
  EXPECT_EQ(seen, lengths.size());
}

// The unfinished burst says that the port is empty; before, packets may wait in it.
TEST_F(DpdkSourceTest, FullBurstsHoldTheWatermarkAndWidenTheUncertainty) {
  auto source = open("net_null0,size=64");
  ASSERT_TRUE(source.ok()) << source.error();
  const int64_t watermark_ns = (*source)->watermark_ns();
  std::array<RawPacket, 32> burst;
  uint32_t former = 0;
  for (int round = 0; round < 10; ++round) {
    ASSERT_EQ((*source)->poll(burst), 32u);
    EXPECT_EQ((*source)->watermark_ns(), watermark_ns);
    EXPECT_GE(burst[0].stamp_uncertainty_ns, former);
    EXPECT_EQ(burst[0].time_ns - burst[0].stamp_uncertainty_ns, watermark_ns);
    former = burst[0].stamp_uncertainty_ns;
  }
}

// What waited while nobody polled bears the time after, and the whole of it proves nothing.
TEST_F(DpdkSourceTest, PauseOfTheSensorIsAnOutageAndAnUncertainty) {
  const PcapFile file({60, 60});
  auto source = open("net_pcap3,rx_pcap=" + file.path());
  ASSERT_TRUE(source.ok()) << source.error();
  const int64_t before_ns = clock_->now_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  std::array<RawPacket, 32> burst;
  ASSERT_EQ((*source)->poll(burst), 2u);
  EXPECT_GE(burst[0].stamp_uncertainty_ns, 100'000'000u);
  const std::optional<PortOutage> outage = (*source)->take_outage();
  ASSERT_TRUE(outage);
  EXPECT_EQ(outage->cause, OutageCause::paused);
  EXPECT_LE(outage->from_ns, before_ns);
  EXPECT_EQ(outage->to_ns, burst[1].time_ns);
  EXPECT_FALSE((*source)->take_outage());
  EXPECT_TRUE((*source)->link_up());
}

TEST_F(DpdkSourceTest, LinkThatGoesDownIsAnOutageUntilItIsUpAgain) {
  auto source = open("net_ring0");
  ASSERT_TRUE(source.ok()) << source.error();
  uint16_t port = 0;
  ASSERT_EQ(rte_eth_dev_get_port_by_name("net_ring0", &port), 0);
  std::array<RawPacket, 32> burst;
  PortOutage last{};
  const auto poll_for = [&](int64_t duration_ns) {
    uint64_t outages = 0;
    for (const int64_t begun_ns = clock_->now_ns(); clock_->now_ns() - begun_ns < duration_ns;) {
      (*source)->poll(burst);
      for (; const auto outage = (*source)->take_outage(); ++outages) last = *outage;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return outages;
  };
  EXPECT_EQ(poll_for(50'000'000), 0u);
  const int64_t down_ns = clock_->now_ns();
  ASSERT_EQ(rte_eth_dev_set_link_down(port), 0);
  EXPECT_GT(poll_for(100'000'000), 0u);
  EXPECT_FALSE((*source)->link_up());
  EXPECT_EQ(last.cause, OutageCause::link_down);
  EXPECT_LE(last.from_ns, down_ns);
  EXPECT_GE(last.to_ns, down_ns);
  const int64_t up_ns = clock_->now_ns();
  ASSERT_EQ(rte_eth_dev_set_link_up(port), 0);
  EXPECT_GT(poll_for(100'000'000), 0u);
  EXPECT_TRUE((*source)->link_up());
  EXPECT_LE(last.from_ns, down_ns);
  EXPECT_GE(last.to_ns, up_ns);
  EXPECT_EQ(poll_for(50'000'000), 0u);
}

TEST_F(DpdkSourceTest, TheWatermarkGoesOnWhileNothingComes) {
  const PcapFile file({60});
  auto source = open("net_pcap1,rx_pcap=" + file.path());
  ASSERT_TRUE(source.ok()) << source.error();
  std::array<RawPacket, 32> burst;
  const int64_t begun_ns = clock_->now_ns();
  while (clock_->now_ns() - begun_ns < 30'000'000) {
    const int64_t before_poll_ns = clock_->now_ns();
    (*source)->poll(burst);
    EXPECT_LE((*source)->watermark_ns(), clock_->now_ns());
    EXPECT_GE((*source)->watermark_ns(), before_poll_ns - 20'000'000);
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  EXPECT_GT((*source)->watermark_ns(), begun_ns);
  EXPECT_GE((*source)->statistics_interval_ns(), 1'000'000);
  EXPECT_LE((*source)->statistics_interval_ns(), 10'000'000);
}

TEST_F(DpdkSourceTest, FramesInSeveralBuffersAreWhole) {
  const PcapFile file({9'000, 60, 5'000});
  auto source = open("net_pcap2,rx_pcap=" + file.path());
  ASSERT_TRUE(source.ok()) << source.error();
  std::array<RawPacket, 32> burst;
  ASSERT_EQ((*source)->poll(burst), 3u);
  const std::array<uint32_t, 3> lengths{9'000, 60, 5'000};
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(burst[i].captured_length, lengths[i]);
    EXPECT_EQ(burst[i].wire_length, lengths[i]);
    for (uint32_t at = 0; at < lengths[i]; ++at) ASSERT_EQ(burst[i].data[at], i) << "byte " << at;
  }
}

TEST_F(DpdkSourceTest, BuffersAreGivenBack) {
  auto source = open("net_null1,size=64", 1023);
  ASSERT_TRUE(source.ok()) << source.error();
  std::array<RawPacket, 32> burst;
  for (int round = 0; round < 1'000; ++round) ASSERT_EQ((*source)->poll(burst), 32u);
}

TEST_F(DpdkSourceTest, APortMayBeOpenedAgainAfterItWasClosed) {
  for (int round = 0; round < 3; ++round) {
    auto source = open("net_null2,size=64");
    ASSERT_TRUE(source.ok()) << source.error();
  }
}

TEST_F(DpdkSourceTest, TheRxWorkerRunsItOnAThreadOfItsOwn) {
  std::vector<uint32_t> lengths(500, 60);
  const PcapFile file(lengths);
  auto source = open("net_pcap3,rx_pcap=" + file.path());
  ASSERT_TRUE(source.ok()) << source.error();
  PortChannel channel({.name = "port0", .source = "test"}, 1, 1024);
  std::vector<RxPort> ports;
  ports.push_back({0, &channel, std::move(*source)});
  RxWorker worker(std::move(ports), {});
  std::thread thread([&] {
    for (int round = 0; round < 100; ++round) worker.poll();
  });
  thread.join();
  EXPECT_EQ(channel.counters.packets.get(), 500u);
  EXPECT_GT(channel.watermark_ns.load(), 0);
}

struct WrongDevice {
  const char* device;
  const char* says;
};

TEST_F(DpdkSourceTest, WrongDevicesAreNamedAndExplained) {
  const WrongDevice wrong[] = {
      {"0000:ff:1f.7", "no such PCI device"}, {"net_af_packet7,iface=nothere", "there is no interface nothere"},
      {"net_af_packet7", "needs iface="},     {"net_pcap7,rx_pcap=/nowhere/file.pcap", "cannot be made"},
      {"net_unknown7", "cannot be made"},     {"", "missing"},
  };
  for (const WrongDevice& each : wrong) {
    const auto source = open(each.device);
    ASSERT_FALSE(source.ok()) << each.device;
    EXPECT_NE(source.error().find(each.says), std::string::npos) << source.error();
    EXPECT_NE(source.error().find(each.device), std::string::npos) << source.error();
  }
}

TEST_F(DpdkSourceTest, TheSameDeviceTwiceIsRefused) {
  auto first = open("net_null3,size=64");
  ASSERT_TRUE(first.ok()) << first.error();
  const auto second = open("net_null3,size=64");
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().find("another port has this name"), std::string::npos) << second.error();
}

TEST_F(DpdkSourceTest, TooManyBuffersSayHowMuchMemoryTheyNeed) {
  const auto source = open("net_null4,size=64", 1'000'000);
  ASSERT_FALSE(source.ok());
  EXPECT_NE(source.error().find("MiB"), std::string::npos) << source.error();
  EXPECT_NE(source.error().find("memory_mib"), std::string::npos) << source.error();
}

TEST_F(DpdkSourceTest, TheEnvironmentMayBeAskedForAgain) { EXPECT_EQ(eal_start({}), ""); }

TEST(Eal, TellsPciAddressesFromVirtualDevices) {
  EXPECT_EQ(pci_address_of("0000:3b:00.0"), "0000:3b:00.0");
  EXPECT_EQ(pci_address_of("3b:00.1"), "3b:00.1");
  EXPECT_EQ(pci_address_of("0000:3b:00.0,option=1"), "0000:3b:00.0");
  EXPECT_EQ(pci_address_of("net_null0"), "");
  EXPECT_EQ(pci_address_of("net_af_packet0,iface=eth0"), "");
}

TEST(OpenSource, RefusesWhatItDoesNotKnow) {
  for (const char* source : {"", "dpdk", "dpdk:", "eth0", "afpacket:eth0", "file:"}) {
    const auto opened = open_source(source, {});
    ASSERT_FALSE(opened.ok()) << source;
    EXPECT_NE(opened.error().find("pcap:<interface>"), std::string::npos) << opened.error();
  }
  const auto missing = open_source("file:/nowhere/file.pcap", {});
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().find("/nowhere/file.pcap"), std::string::npos) << missing.error();
}

}  // namespace
}  // namespace parallax
