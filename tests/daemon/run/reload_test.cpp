// What of a configuration may change while the daemon runs, by field.
#include "daemon/run/reload.h"

#include <gtest/gtest.h>

#include "config/loader.h"

namespace parallax {
namespace {

constexpr const char* kRunning = R"(path: [outside, inside]
ports:
  - { name: tap0, point: outside, source: "pcap:eth0" }
  - { name: tap1, point: inside, source: "pcap:eth1" }
spool: { directory: /spool, size: 1GiB }
)";

std::string restarts_for(const std::string& next) {
  const LoadedConfig running = load_config_text(kRunning, "a.yaml", ConfigUse::daemon);
  const LoadedConfig loaded = load_config_text(next, "a.yaml", ConfigUse::daemon);
  EXPECT_EQ(loaded.error_text(), "");
  std::string fields;
  for (const ConfigProblem& change : changes_that_need_a_restart(running.config, loaded.config)) fields += change.field + '\n';
  return fields;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  return text.replace(text.find(what), what.size(), by);
}

TEST(Reload, WhatMayChange) {
  const std::string may = replaced(kRunning, "size: 1GiB", "size: 2GiB, max_age_seconds: 1h, min_free: 1GiB") +
                          "filter: { analysis: tcp, spool: udp }\ndetectors: { off: [arp_burst] }\n"
                          "thresholds: { fan_out_tries: 99 }\n"
                          "api: { roles: [{ role: viewer, group: adm }], limits: { slices: 1 } }\n"
                          "connection_log: { directory: /log, size: 2GiB }\nwebhook: { url: \"http://a/\", kinds: [fan_out] }\n";
  EXPECT_EQ(restarts_for(may), "");
}

TEST(Reload, AllElseNeedsARestartAndIsNamed) {
  EXPECT_EQ(restarts_for(kRunning), "");
  EXPECT_EQ(restarts_for(replaced(kRunning, "eth1", "eth2")), "ports[1].source\n");
  EXPECT_EQ(restarts_for(replaced(kRunning, "[outside, inside]", "[outside, inside, beyond]")), "path[2]\n");
  EXPECT_EQ(restarts_for(replaced(kRunning, "/spool", "/other")), "spool.directory\n");
  EXPECT_EQ(restarts_for(std::string(kRunning) + "timing: { device_timeout_seconds: 2s }\nworkers: { count: 2 }\n"),
            "workers.count\ntiming.device_timeout_seconds\n");
  EXPECT_EQ(restarts_for(std::string(kRunning) + "api: { address: \"unix:/other.sock\" }\n"), "api.address\n");
}

}  // namespace
}  // namespace parallax
