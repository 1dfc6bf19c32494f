// What the doctor says of machines that are made of files, and of cards, clocks and disks that answer as told.
#include "daemon/doctor/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "config/defaults.h"
#include "daemon/doctor/core_list.h"
#include "daemon/run/configured_ports.h"
#include "tests/support/command.h"

namespace parallax {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class FakeMachine : public Machine {
 public:
  explicit FakeMachine(const std::string& root) : Machine(root) {}
  CardFacts card(const std::string& interface) const override {
    const auto it = cards.find(interface);
    return it == cards.end() ? CardFacts{} : it->second;
  }
  std::optional<ClockFacts> clock() const override { return clock_facts; }
  uint32_t cores() const override { return core_count; }
  std::optional<double> write_rate(const std::string&) const override { return rate; }

  std::map<std::string, CardFacts> cards;
  std::optional<ClockFacts> clock_facts = ClockFacts{true, 250};
  uint32_t core_count = 8;
  std::optional<double> rate;
};

using Examine = void (*)(const v1::Config&, const Machine&, Chapter&);

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() : config_(default_config()), machine_(folder_.path()) { config_.add_path("outside"); }

  void add_port(const std::string& source) {
    v1::PortConfig& port = *config_.add_ports();
    port.set_name("tap" + std::to_string(config_.ports_size() - 1));
    port.set_point("outside");
    port.set_source(source);
  }
  void file(const std::string& path, const std::string& text) {
    const std::filesystem::path full = folder_.path() + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text << '\n';
  }
  void link(const std::string& interface, const std::string& state = "up") {
    file("/sys/class/net/" + interface + "/operstate", state);
    if (state != "down") file("/sys/class/net/" + interface + "/speed", "10000");
  }
  // One line for each: "wrong tap0 (eth1): ... -> ethtool ..."
  std::string said(Examine examine) const {
    static constexpr const char* kWords[] = {"good", "look", "wrong"};
    Chapter chapter;
    examine(config_, machine_, chapter);
    std::string text;
    for (const Diagnosis& one : chapter.diagnoses)
      text +=
          std::string(kWords[static_cast<int>(one.health)]) + ' ' + one.subject + ": " + one.finding + " -> " + one.mend + '\n';
    return text;
  }

  TemporaryDirectory folder_;
  v1::Config config_;
  FakeMachine machine_;
};

TEST_F(DoctorTest, ACardThatJoinsPacketsIsWrong) {
  add_port("pcap:eth1");
  link("eth1");
  machine_.cards["eth1"] = {.joins_by_gro = true, .joins_by_lro = false, .rx_ring = {}};
  EXPECT_THAT(said(examine_ports), AllOf(HasSubstr("good tap0 (eth1): has a link of 10000 Mbit/s"),
                                         HasSubstr("wrong tap0 (eth1): packets are joined before they are captured (gro)"),
                                         HasSubstr("-> ethtool -K eth1 gro off\n")));
  machine_.cards["eth1"].joins_by_lro = true;
  EXPECT_THAT(said(examine_ports),
              HasSubstr("(gro and lro): their sizes, times and numbers are not the wire's -> ethtool -K eth1 gro off lro off\n"));
  machine_.cards["eth1"] = {.joins_by_gro = false, .joins_by_lro = {}, .rx_ring = {}};
  EXPECT_EQ(said(examine_ports), "good tap0 (eth1): has a link of 10000 Mbit/s -> \n");
}

TEST_F(DoctorTest, AVirtualDeviceOverAnInterfaceIsLookedAtAsThat) {
  add_port("dpdk:net_af_packet0,iface=eth1,blocksz=4096");
  link("eth1");
  machine_.cards["eth1"].joins_by_gro = true;
  EXPECT_THAT(said(examine_ports), HasSubstr("wrong tap0 (eth1): packets are joined"));
}

TEST_F(DoctorTest, TheLoopbackIsForAFirstTry) {
  add_port("pcap:lo");
  link("lo", "unknown");
  file("/sys/class/net/lo/type", "772");
  machine_.cards["lo"].joins_by_gro = true;
  EXPECT_EQ(said(examine_ports), "good tap0 (lo): is the loopback, which will do for a first try -> \n");
}

TEST_F(DoctorTest, ALinkIsDownOrSwitchedOff) {
  add_port("pcap:eth1");
  link("eth1", "down");
  EXPECT_EQ(said(examine_ports), "wrong tap0 (eth1): is switched off -> ip link set eth1 up\n");
  file("/sys/class/net/eth1/carrier", "0");
  EXPECT_THAT(said(examine_ports), HasSubstr("wrong tap0 (eth1): has no link -> look at the cable"));
}

TEST_F(DoctorTest, WhatThePortHasLostOrSaysItselfIsToLookAt) {
  add_port("pcap:eth1");
  link("eth1");
  machine_.cards["eth1"].rx_ring = {512, 4096};
  file("/sys/class/net/eth1/statistics/rx_length_errors", "17");
  file("/sys/class/net/eth1/statistics/rx_missed_errors", "0");
  file("/proc/net/if_inet6",
       "fe80000000000000021122fffe334455 01 40 20 80 lo\nfe80000000000000021122fffe334456 03 40 20 80 eth1");
  file("/proc/sys/net/core/bpf_jit_enable", "0");
  EXPECT_THAT(
      said(examine_ports),
      AllOf(HasSubstr("has 512 slots of at most 4096: bursts may find no room -> ethtool -G eth1 rx 4096\n"),
            HasSubstr(
                "17 packets were longer than its MTU allows since it came up (rx_length_errors) -> ip link set eth1 mtu 9216\n"),
            HasSubstr(
                "has an IPv6 address, so that this machine speaks there itself -> sysctl -w net.ipv6.conf.eth1.disable_ipv6=1\n"),
            HasSubstr("look filters: are interpreted for every packet"), Not(HasSubstr("rx_missed_errors"))));
}

TEST_F(DoctorTest, DpdkNeedsPagesAndAnIommu) {
  add_port("dpdk:3b:00.0");
  config_.mutable_eal()->set_huge_pages(true);
  config_.mutable_limits()->set_mbufs(8191);
  file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "2");
  file("/proc/sys/vm/nr_hugepages", "2");
  EXPECT_THAT(
      said(examine_dpdk),
      AllOf(
          HasSubstr("wrong huge pages: 4 MiB free (a running daemon has its own), 17 MiB needed -> sysctl -w vm.nr_hugepages=9,"),
          HasSubstr("wrong IOMMU: is off: VFIO takes no card")));
  file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "512");
  file("/sys/kernel/iommu_groups/7/type", "DMA");
  EXPECT_EQ(said(examine_dpdk), "good huge pages: 1024 MiB free, 17 MiB needed -> \ngood IOMMU: is on -> \n");
}

TEST_F(DoctorTest, AnRxCoreIsToBeNearItsCard) {
  add_port("dpdk:0000:3b:00.0");
  config_.mutable_eal()->set_huge_pages(false);
  file("/sys/kernel/iommu_groups/7/type", "DMA");
  file("/sys/bus/pci/devices/0000:3b:00.0/numa_node", "1");
  file("/sys/devices/system/node/node1/cpulist", "4-7");
  config_.mutable_workers()->set_rx_count(1);
  config_.mutable_workers()->add_cores(2);
  config_.mutable_workers()->add_cores(5);
  EXPECT_THAT(said(examine_dpdk),
              HasSubstr("look tap0 (0000:3b:00.0): is at NUMA node 1, and rx core 2 is not -> choose workers.cores among 4-7\n"));
  config_.mutable_workers()->set_cores(0, 4);
  EXPECT_THAT(said(examine_dpdk), Not(HasSubstr("NUMA")));
}

TEST_F(DoctorTest, WithoutDpdkNothingIsSaidOfIt) {
  add_port("pcap:eth1");
  EXPECT_EQ(said(examine_dpdk), "");
}

TEST_F(DoctorTest, CoresAreFewSlowSharedOrHalves) {
  config_.mutable_workers()->set_count(2);
  config_.mutable_workers()->set_rx_count(1);
  for (const uint32_t core : {1, 2, 5}) {
    config_.mutable_workers()->add_cores(core);
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(core);
    file(folder + "/cpufreq/scaling_governor", core == 2 ? "powersave" : "performance");
    file(folder + "/topology/thread_siblings_list", core == 2 ? "2,6" : "1,5");
  }
  file("/sys/devices/system/cpu/isolated", "1-2");
  EXPECT_THAT(said(examine_cores),
              AllOf(HasSubstr("good cores: 8 for 3 workers"), HasSubstr("look frequency: the governor is powersave"),
                    HasSubstr("look workers.cores: 1 and 5 are two threads of one core"),
                    HasSubstr("the kernel may run other work on 5 -> isolcpus=5 nohz_full=5 rcu_nocbs=5")));
  machine_.core_count = 3;
  EXPECT_THAT(said(examine_cores), HasSubstr("look cores: 3 for 3 workers, the correlator and all else"));
}

TEST_F(DoctorTest, TheClockIsSlowToReadOrUnkept) {
  const std::string folder = "/sys/devices/system/clocksource/clocksource0";
  file(folder + "/current_clocksource", "hpet");
  file(folder + "/available_clocksource", "tsc hpet acpi_pm");
  machine_.clock_facts = ClockFacts{false, 16'000'000};
  EXPECT_THAT(said(examine_clock),
              AllOf(HasSubstr("wrong clock source: is hpet"), HasSubstr("-> echo tsc > /sys/devices/system/clocksource"),
                    HasSubstr("look time: nothing keeps the system's clock"), HasSubstr("-> apt install chrony\n")));
  file(folder + "/current_clocksource", "tsc");
  machine_.clock_facts = ClockFacts{true, 850};
  EXPECT_EQ(said(examine_clock), "good clock source: is tsc -> \ngood time: is kept, to 850 us or better -> \n");
}

TEST_F(DoctorTest, TheDiskIsMeasuredAgainstTheWire) {
  config_.mutable_service()->set_user("root");
  config_.mutable_spool()->set_directory("/var/spool/parallax");
  EXPECT_THAT(said(examine_disk),
              HasSubstr("look /var/spool/parallax: is not there yet -> install -d -m 750 -o root -g root /var/spool/parallax\n"));
  file("/var/spool/parallax/x", "");
  EXPECT_THAT(said(examine_disk), HasSubstr("could not be tried"));
  machine_.rate = 500e6;
  EXPECT_EQ(said(examine_disk), "good /var/spool/parallax: takes 500 MB/s -> \n");
  add_port("pcap:eth1");
  link("eth1");
  EXPECT_THAT(
      said(examine_disk),
      HasSubstr("look /var/spool/parallax: takes 500 MB/s, and all links full bring 1250 MB/s: above 40 % the spool drops"));
}

TEST_F(DoctorTest, EveryoneElseMayNotWriteTheSpool) {
  config_.mutable_service()->set_user("nobody");
  config_.mutable_spool()->set_directory("/var/spool/parallax");
  file("/var/spool/parallax/x", "");
  EXPECT_THAT(said(examine_disk),
              HasSubstr("wrong /var/spool/parallax: is not nobody's to write -> chown nobody:nobody /var/spool/parallax\n"));
}

TEST(Doctor, AddressesOfCardsAreCompleted) {
  EXPECT_EQ(full_pci_address("3b:00.0"), "0000:3b:00.0");
  EXPECT_EQ(full_pci_address("0001:3b:00.1,nolock"), "0001:3b:00.1");
  for (const char* other : {"net_af_packet0,iface=eth1", "eth1", ""}) EXPECT_EQ(full_pci_address(other), "") << other;
}

TEST(Doctor, ListsOfCoresAreRead) {
  EXPECT_EQ(cores_in("0-2,8,10-11"), (std::vector<uint32_t>{0, 1, 2, 8, 10, 11}));
  for (const char* wrong : {"", "x", "3-1", "1,,2", "1-", "0-99999999999"}) EXPECT_TRUE(cores_in(wrong).empty()) << wrong;
}

TEST(Doctor, TextHasTheMendBelowAndASum) {
  Chapter ports{"Ports", {}};
  ports.good("a", "has a link");
  ports.wrong("b", "is switched off", "ip link set b up");
  EXPECT_EQ(text_of({ports}),
            "Ports\n  good   a: has a link\n  WRONG  b: is switched off\n           ip link set b up\n1 wrong, 0 to look at, 1 "
            "good.\n");
  EXPECT_TRUE(is_anything_wrong({ports}));
}

// On this machine, whatever it is: every call answers without an error.
TEST(Doctor, LooksAtTheRealMachine) {
  v1::Config config = default_config();
  config.add_path("outside");
  v1::PortConfig& port = *config.add_ports();
  port.set_name("tap0");
  port.set_point("outside");
  port.set_source("pcap:lo");
  const TemporaryDirectory folder;
  config.mutable_spool()->set_directory(folder.path());
  const std::string text = text_of(examine(config, Machine()));
  EXPECT_THAT(text, AllOf(HasSubstr("Ports\n  good   tap0 (lo): is the loopback"), HasSubstr("Cores\n"),
                          HasSubstr(folder.path() + ": takes ")));
}

}  // namespace
}  // namespace parallax
