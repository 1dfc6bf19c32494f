// What --check-config finds on the machine, without opening or making anything.
#include "daemon/run/machine_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "analysis/engine.h"
#include "config/defaults.h"
#include "tests/support/certificates.h"
#include "tests/support/child_process.h"

namespace parallax {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Weight = MachineProblem::Weight;

class MachineCheckTest : public ::testing::Test {
 protected:
  MachineCheckTest() : config_(default_config()) {
    config_.add_path("outside");
    add_port("pcap:lo");
  }
  void add_port(const std::string& source) {
    v1::PortConfig& port = *config_.add_ports();
    port.set_name("tap" + std::to_string(config_.ports_size() - 1));
    port.set_point("outside");
    port.set_source(source);
  }
  // "unfit ports[1].source: ..." a line each.
  std::string found() const {
    static constexpr const char* kWords[] = {"warning", "unfit", "wrong"};
    std::string text;
    for (const MachineProblem& one : check_machine(config_)) {
      EXPECT_TRUE(one.problem.message.starts_with(one.problem.field.substr(0, one.problem.field.find('['))))
          << one.problem.message;
      text += std::string(kWords[static_cast<size_t>(one.weight)]) + ' ' + one.problem.message + '\n';
    }
    return text;
  }

  const test::TemporaryDirectory directory_;
  v1::Config config_;
};

TEST_F(MachineCheckTest, WhatFitsIsSilent) { EXPECT_EQ(found(), ""); }

TEST_F(MachineCheckTest, PortsThatAreNotThereAreNamed) {
  add_port("pcap:nosuch0");
  add_port("file:/nonexistent.pcap");
  add_port("dpdk:ffff:1f:00.7");
  add_port("dpdk:net_null0");
  EXPECT_THAT(found(), AllOf(HasSubstr("unfit ports[1].source: port tap1: there is no interface \"nosuch0\" (but "),
                             HasSubstr("unfit ports[2].source: port tap2: cannot read /nonexistent.pcap: No such file"),
                             HasSubstr("unfit ports[3].source: port tap3: there is no PCI device ffff:1f:00.7")));
  EXPECT_THAT(found(), Not(HasSubstr("ports[4]")));
}

TEST_F(MachineCheckTest, APointWithoutAPortIsAWarning) {
  config_.add_path("inside");
  EXPECT_EQ(found(), "warning path[1]: no port feeds the point \"inside\": nothing will be seen there\n");
}

TEST_F(MachineCheckTest, FiltersAreCompiled) {
  config_.mutable_filter()->set_analysis("tcp prot 80");
  config_.mutable_filter()->set_spool("tcp port 80");
  EXPECT_THAT(found(), AllOf(HasSubstr("wrong filter.analysis: "), HasSubstr("position 4"), Not(HasSubstr("filter.spool"))));
}

TEST_F(MachineCheckTest, CoresMustBeThere) {
  config_.mutable_workers()->add_cores(1023);
  EXPECT_THAT(found(), HasSubstr("unfit workers.cores[0]: there is no core 1023 for this process (it has "));
}

TEST_F(MachineCheckTest, ManyMoreWorkersThanCoresAreAWarning) {
  config_.mutable_workers()->set_count(64);
  config_.mutable_limits()->set_legs(16);
  EXPECT_THAT(found(), HasSubstr("warning workers.count: 65 workers on "));
}

TEST_F(MachineCheckTest, LegsMustFitIntoMemory) {
  config_.mutable_limits()->set_legs(268'435'456);
  config_.mutable_workers()->set_count(4);
  EXPECT_THAT(found(), HasSubstr("unfit limits.legs: 268435456 legs for each of 4 analysis workers take 4000.0 GiB, and this "));
}

TEST_F(MachineCheckTest, MbufsMustFitIntoWhatTheEalGets) {
  add_port("dpdk:net_null0");
  config_.mutable_eal()->set_memory_mib(64);
  config_.mutable_limits()->set_mbufs(1 << 20);
  EXPECT_THAT(found(), HasSubstr("unfit limits.mbufs: 1048576 mbufs for each of 1 DPDK ports take 2.2 GiB, and eal.memory_mib "
                                 "gives 64.0 MiB"));
}

TEST_F(MachineCheckTest, SpoolIsComparedWithItsDiskAndNothingIsMade) {
  v1::SpoolConfig& spool = *config_.mutable_spool();
  spool.set_directory(directory_.path() + "/spool");
  spool.set_size(uint64_t{1} << 50);
  EXPECT_THAT(found(), HasSubstr("warning spool.size: 1PiB is more than its disk holds ("));
  spool.set_size(256 << 20);
  EXPECT_EQ(found(), "");
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/spool"));
  spool.set_require_mount(true);
  EXPECT_THAT(found(), HasSubstr("unfit spool.directory: "));
  spool.set_require_mount(false);
  spool.set_directory(directory_.path() + "/no/spool");
  EXPECT_THAT(found(), HasSubstr("/no does not exist"));
}

TEST_F(MachineCheckTest, UserMustExist) {
  config_.mutable_service()->set_user("nobody-of-that-name");
  EXPECT_THAT(found(), HasSubstr("unfit service.user: there is no user \"nobody-of-that-name\" on this system"));
}

TEST_F(MachineCheckTest, GroupsOfRolesMustExist) {
  config_.mutable_api()->add_roles()->set_group("adm");
  EXPECT_EQ(found(), "");
  config_.mutable_api()->add_roles()->set_group("nobody-of-that-name");
  EXPECT_THAT(found(), HasSubstr("unfit api.roles[1].group: there is no group \"nobody-of-that-name\" on this system"));
}

TEST_F(MachineCheckTest, CertificatesMustServe) {
  if (!test::make_certificates(directory_)) GTEST_SKIP() << "openssl makes the certificates: apt-get install openssl";
  v1::ApiConfig& api = *config_.mutable_api();
  const auto use = [&](const std::string& certificate, const std::string& key, const std::string& ca) {
    api.set_tls_certificate(directory_.path() + certificate);
    api.set_tls_key(directory_.path() + key);
    api.set_tls_client_ca(directory_.path() + ca);
    return found();
  };
  api.set_address("127.0.0.1:0");
  EXPECT_EQ(use("/localhost.crt", "/localhost.key", "/ca.crt"), "");
  EXPECT_THAT(use("/localhost.crt", "/anna.key", "/ca.crt"), HasSubstr("is not the key of the certificate"));
  EXPECT_THAT(use("/none.crt", "/localhost.key", "/ca.crt"), HasSubstr("none.crt cannot be read: No such file"));
  EXPECT_THAT(use("/localhost.key", "/localhost.key", "/ca.crt"), HasSubstr("holds no certificate in PEM form"));
  EXPECT_THAT(use("/localhost.crt", "/ca.crt", "/ca.crt"), HasSubstr("holds no private key in PEM form"));
  EXPECT_THAT(use("/localhost.crt", "/localhost.key", "/anna.key"), HasSubstr("api.tls_client_ca: "));
}

uint64_t address_space() {
  uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * 4096;
}

// The figure that limits.legs is judged by.
TEST_F(MachineCheckTest, ALegTakesWhatIsSaid) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers take memory of their own; the other presets measure it";
#endif
  EngineOptions options;
  options.path = {"outside", "inside"};
  options.legs = 1 << 18;
  const uint64_t before = address_space();
  const Engine engine(options, {});
  EXPECT_NEAR(static_cast<double>(address_space() - before) / static_cast<double>(options.legs), 4000, 600);
}

}  // namespace
}  // namespace parallax
