// `systemctl reload`: what it changes while packets flow, and that it is refused whole.
#include <filesystem>
#include <thread>

#include "tests/support/daemon_fixture.h"

namespace parallax::test {
namespace {

using namespace std::chrono_literals;

class ReloadDaemonTest : public DaemonTest {
 protected:
  static std::string ports() {
    return "ports:\n  - { name: tap0, point: outside, source: \"dpdk:net_null0\" }\nlimits: { mbufs: 8191 }\neal: { memory_mib: "
           "256 }\n";
  }
  std::string configured(const std::string& further) const { return write_config("a", ports(), further); }
  double metric(const std::string& name) const {
    return sample(http_get(metrics_port_, "/metrics"), "parallax_" + name).value_or(-1);
  }
  double filtered() const { return metric("filtered_packets_total{point=\"outside\",port=\"tap0\"}"); }
};

TEST_F(ReloadDaemonTest, FiltersChangeWhilePacketsFlow) {
  ChildProcess daemon({program("parallaxd"), "--config", configured("")});
  ASSERT_TRUE(daemon.wait_for_error_text("is ready", kStartTimeout)) << daemon.err();
  EXPECT_EQ(filtered(), 0);
  const double before = metric("config_last_reload_success_timestamp_seconds");
  configured("filter: { analysis: \"udp port 1\" }\n");
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.wait_for_error_text("is in effect", 5s)) << daemon.err();
  for (int i = 0; i < 100 && filtered() == 0; ++i) std::this_thread::sleep_for(50ms);
  EXPECT_GT(filtered(), 0);
  EXPECT_EQ(metric("config_last_reload_successful"), 1);
  EXPECT_GT(metric("config_last_reload_success_timestamp_seconds"), before);
  EXPECT_TRUE(daemon.wait_for_error_text("port tap0: filter changed: what is absent within these ", 5s)) << daemon.err();
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
}

TEST_F(ReloadDaemonTest, WhatIsWrongOrNeedsARestartIsRefusedWhole) {
  const std::string config = configured(spool());
  ChildProcess daemon({program("parallaxd"), "--config", config});
  ASSERT_TRUE(daemon.wait_for_error_text("is ready", kStartTimeout)) << daemon.err();
  const auto refused = [&](const std::string& further, const std::string& why) {
    configured(further);
    daemon.signal(SIGHUP);
    EXPECT_TRUE(daemon.wait_for_error_text(why, 5s)) << daemon.err();
    EXPECT_TRUE(daemon.wait_for_error_text(config + " is not taken", 5s)) << daemon.err();
    std::this_thread::sleep_for(100ms);
    EXPECT_EQ(filtered(), 0) << "the filter beside it is not taken either";
    EXPECT_EQ(metric("config_last_reload_successful"), 0);
  };
  const std::string filter = "filter: { analysis: \"udp port 1\" }\n";
  refused(spool() + filter + "metrix: {}\n", "unknown key \"metrix\"");
  refused(spool() + filter + "timing: { device_timeout_seconds: 2s }\n",
          "timing.device_timeout_seconds: cannot be changed while running; restart parallaxd");
  refused(spool() + "filter: { analysis: \"udp port 1\", spool: \"tcp prot 80\" }\n", "filter.spool: ");
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
}

TEST_F(ReloadDaemonTest, LimitsOfTheSpoolChange) {
  const auto with_size = [&](const std::string& size) {
    return "spool: { directory: \"" + (directory_ / "spool") + "\", size: " + size + ", file_size: 4MiB }\n";
  };
  ChildProcess daemon({program("parallaxd"), "--config", configured(with_size("256MiB"))});
  ASSERT_TRUE(daemon.wait_for_error_text("is ready", kStartTimeout)) << daemon.err();
  EXPECT_EQ(metric("spool_limit_bytes"), 256 << 20);
  configured(with_size("64MiB"));
  daemon.signal(SIGHUP);
  ASSERT_TRUE(daemon.wait_for_error_text("is in effect", 5s)) << daemon.err();
  EXPECT_EQ(metric("spool_limit_bytes"), 64 << 20);
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
}

TEST_F(ReloadDaemonTest, TheLogOfConnectionsAndTheWebhookComeAndGo) {
  const std::string log = directory_ / "log";
  const auto outputs = [&](const std::string& size) {
    return "connection_log: { directory: \"" + log + "\", size: " + size +
           " }\nwebhook: { url: \"http://127.0.0.1:1/x?key=secret\" }\n";
  };
  ChildProcess daemon({program("parallaxd"), "--config", configured("")});
  ASSERT_TRUE(daemon.wait_for_error_text("is ready", kStartTimeout)) << daemon.err();
  const auto reloaded = [&](const std::string& further) {
    const double before = metric("config_last_reload_success_timestamp_seconds");
    configured(further);
    daemon.signal(SIGHUP);
    for (int i = 0; i < 100 && metric("config_last_reload_success_timestamp_seconds") == before; ++i)
      std::this_thread::sleep_for(50ms);
    std::this_thread::sleep_for(600ms);  // the threads take it over in their next rounds
    std::string status;
    EXPECT_EQ(ask({"status"}, &status), 0);
    return status;
  };
  const std::string on = reloaded(outputs("1GiB"));
  EXPECT_TRUE(has(on, "Connection log: " + log)) << on;
  EXPECT_TRUE(has(on, "Webhook: http://127.0.0.1:1")) << on;
  EXPECT_EQ(metric("connection_log_limit_bytes"), 1 << 30);
  reloaded(outputs("512MiB"));
  EXPECT_EQ(metric("connection_log_limit_bytes"), 1 << 29);
  const std::string off = reloaded("");
  EXPECT_TRUE(has(off, "Connection log: none")) << off;
  EXPECT_TRUE(has(off, "Webhook: none")) << off;
  EXPECT_EQ(metric("connection_log_limit_bytes"), 0);
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
  EXPECT_FALSE(has(daemon.err(), "secret")) << daemon.err();
}

TEST_F(ReloadDaemonTest, AnOutputThatCannotBeIsRefusedWholeWithItsPlace) {
  const std::string config = configured("");
  ChildProcess daemon({program("parallaxd"), "--config", config});
  ASSERT_TRUE(daemon.wait_for_error_text("is ready", kStartTimeout)) << daemon.err();
  const auto refused = [&](const std::string& further, const std::string& why) {
    configured(further);
    daemon.signal(SIGHUP);
    EXPECT_TRUE(daemon.wait_for_error_text(why, 5s)) << daemon.err();
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(metric("config_last_reload_successful"), 0);
    EXPECT_EQ(metric("connection_log_limit_bytes"), 0) << "the log beside it is not taken either";
  };
  const std::string log = "connection_log: { directory: \"" + (directory_ / "log") + "\" }\n";
  refused("connection_log: { directory: \"" + (directory_ / "none/log") + "\" }\n",
          "a.yaml:9:30: connection_log.directory: cannot make " + (directory_ / "none/log"));
  refused(log + "webhook: { url: \"http://a/\", bearer_token_file: \"" + (directory_ / "none") + "\" }\n",
          "webhook.bearer_token_file: cannot read");
  refused(log + "webhook: { url: \"ftp://a/\" }\n", "a.yaml:10:17: webhook.url: \"ftp://a/\" begins with neither");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "log"));
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kStopTimeout), 0) << daemon.err();
}

}  // namespace
}  // namespace parallax::test
