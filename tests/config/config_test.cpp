// The configuration: what is accepted, what is refused and with which words and position, and that printing reads back.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "config/defaults.h"
#include "config/loader.h"
#include "config/nearest.h"
#include "config/printer.h"
#include "config/quantity.h"

namespace parallax {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;

constexpr const char* kSmall = R"(path: [outside, inside]
ports:
  - { name: tap0, point: outside, source: "pcap:eth0" }
)";

LoadedConfig load(const std::string& yaml, ConfigUse use = ConfigUse::daemon) { return load_config_text(yaml, "p.yaml", use); }

// The errors of kSmall with `more` after it: line 4 is the first of `more`.
std::string errors_with(const std::string& more) { return load(kSmall + more).error_text(); }

TEST(Config, SmallestIsPathAndOnePort) {
  const LoadedConfig loaded = load(kSmall);
  EXPECT_EQ(loaded.error_text(), "");
  EXPECT_EQ(loaded.config.path_size(), 2);
  ASSERT_EQ(loaded.config.ports_size(), 1);
  EXPECT_EQ(loaded.config.ports(0).direction(), v1::PORT_DIRECTION_BOTH);
  EXPECT_EQ(loaded.config.limits().legs(), 65536u);
  EXPECT_EQ(loaded.config.api().address(), "unix:/run/parallax/grpc.sock");
  EXPECT_EQ(loaded.config.timing().idle_timeout_seconds(), 300);
}

TEST(Config, ShippedSampleLoads) {
  const LoadedConfig loaded = load_config_file(PARALLAX_SOURCE_DIR "/config/parallax.yaml", ConfigUse::daemon);
  EXPECT_EQ(loaded.error_text(), "");
  EXPECT_EQ(loaded.config.ports_size(), 3);
  EXPECT_EQ(loaded.config.spool().size(), uint64_t{200} << 30);
  EXPECT_EQ(loaded.config.ports(0).direction(), v1::PORT_DIRECTION_TOWARD_INSIDE);
}

TEST(Config, InstalledConfigurationLoadsAndOpensNothingButLoopback) {
  const LoadedConfig loaded = load_config_file(PARALLAX_SOURCE_DIR "/config/starting.yaml", ConfigUse::daemon);
  EXPECT_EQ(loaded.error_text(), "");
  ASSERT_EQ(loaded.config.ports_size(), 1);
  EXPECT_EQ(loaded.config.ports(0).source(), "pcap:lo");
  EXPECT_EQ(loaded.config.spool().directory(), "");
  EXPECT_EQ(loaded.config.service().user(), "parallax");
}

TEST(Config, InstalledConfigurationLoadsWithWhatItProposesToo) {
  std::ifstream in(PARALLAX_SOURCE_DIR "/config/starting.yaml");
  std::string yaml;
  for (std::string line; std::getline(in, line);) {
    const bool is_replaced = line.starts_with("path:") || line.starts_with("ports:") || line.starts_with("  - {");
    if (line.starts_with("# path:") || line.starts_with("# ports:") || line.starts_with("# spool:") ||
        line.starts_with("# connection_log:") || line.starts_with("#   "))
      line.erase(0, 2);
    if (!is_replaced) yaml += line + '\n';
  }
  const LoadedConfig loaded = load(yaml);
  EXPECT_EQ(loaded.error_text(), "") << yaml;
  EXPECT_EQ(loaded.config.ports_size(), 3);
  EXPECT_EQ(loaded.config.spool().directory(), "/var/spool/parallax");
  EXPECT_EQ(loaded.config.connection_log().directory(), "/var/log/parallax");
}

TEST(Config, ShippedSampleLoadsWithItsCommentedKeysToo) {
  // Every `# key: value` in the sample is a key that exists, with a value that is right; its value is the default.
  std::ifstream in(PARALLAX_SOURCE_DIR "/config/parallax.yaml");
  std::string yaml;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("  # ") && line.find(": ") != std::string::npos && line.find("tls_") == std::string::npos &&
        line[4] >= 'a' && line[4] <= 'z') {
      line.erase(2, 2);
    }
    yaml += line + '\n';
  }
  LoadedConfig loaded = load(yaml);
  EXPECT_EQ(loaded.error_text(), "");
  const v1::Config defaults = default_config();
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config.timing(), defaults.timing()));
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config.limits(), defaults.limits()));
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config.identity(), defaults.identity()));
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config.thresholds(), defaults.thresholds()));
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config.detectors(), defaults.detectors()));
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config.api(), defaults.api()));
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config.webhook(), defaults.webhook()));
  loaded.config.mutable_connection_log()->clear_directory();
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config.connection_log(), defaults.connection_log()));
  EXPECT_EQ(loaded.config.spool().snaplen(), defaults.spool().snaplen());
  EXPECT_EQ(loaded.config.service().user(), "parallax");
}

TEST(Config, ContractsExampleLoads) {
  const LoadedConfig loaded = load(R"(
sensor: { name: edge-1 }
path: [outside, inside]            # the points, in order along the path
ports:
  - { name: tap0, point: outside, source: "dpdk:0000:3b:00.0", direction: toward_inside }
  - { name: tap1, point: outside, source: "dpdk:0000:3b:00.1", direction: toward_outside }
  - { name: span0, point: inside, source: "pcap:eth2" }        # both directions on one port
workers: { count: 2, cores: [2, 3] }
spool: { directory: /var/spool/parallax, size: 200GiB, snaplen: 256 }
)");
  EXPECT_EQ(loaded.error_text(), "");
}

TEST(Config, PrintedLoadsBackToTheSame) {
  LoadedConfig loaded = load(R"yaml(
sensor: { name: "edge \"1\" \\ \t# not a comment" }
path: [outside, dmz, inside]
ports:
  - { name: tap0, point: outside, source: "dpdk:net_pcap0,rx_pcap=/tmp/a b.pcap", direction: toward_inside }
  - { name: "span0.100", point: dmz, source: "file:/tmp/true" }
workers: { count: 3, cores: [2, 3] }
spool: { directory: "yes", size: 1.5TB, file_size: 1000001, snaplen: 96, max_age_seconds: 7d, min_free: 20GB, require_mount: true }
history: { directory: /h, findings: 500, max_age_seconds: 30d, size: 1GiB }
connection_log: { directory: /l, file_size: 1MiB, file_age_seconds: 1h, size: 20MiB, files: 30, max_age_seconds: 30d }
webhook: { url: "https://[2001:db8::1]:9095/h", minimum_severity: notice, kinds: [syn_refused], update_seconds: 5m, tls_ca: /c, receiver: r }
filter: { analysis: "tcp port 443 or (vlan and udp)", spool: "not port 22" }
timing: { merge_wait_seconds: 1.7ms, device_timeout_seconds: 0.1, idle_timeout_seconds: 5m, kernel_delivery_seconds: 0 }
identity: { tunnel: true }
limits: { ring_slots: 64 }
detectors: { off: [arp_burst, fan_out], severities: [{ kind: slow_server, severity: info }] }
thresholds: { slow_server_mean_seconds: 350ms, fan_out_tries: 40, capture_loss_warning_percent: 0 }
api: { roles: [{ role: viewer, group: adm }, { role: admin, group: netops }], limits: { slices: 2, slice_size: 1GiB } }
metrics: { address: "" }
eal: { huge_pages: true, arguments: ["--log-level=8", "-a", "0000:3b:00.0"] }
service: { user: parallax }
)yaml");
  ASSERT_EQ(loaded.error_text(), "");
  const std::string printed = config_to_yaml(loaded.config);
  const LoadedConfig again = load(printed);
  EXPECT_EQ(again.error_text(), "") << printed;
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config, again.config)) << printed;
  EXPECT_EQ(config_to_yaml(again.config), printed);
  EXPECT_EQ(again.config.metrics().address(), "") << "off stays off";
}

TEST(Config, DefaultsPrintAndLoadBack) {
  const LoadedConfig loaded = load(config_to_yaml(default_config()), ConfigUse::offline);
  EXPECT_EQ(loaded.error_text(), "");
  EXPECT_TRUE(MessageDifferencer::Equals(loaded.config, default_config()));
}

TEST(Config, DetectorsAreNamedByTheirKind) {
  EXPECT_EQ(errors_with("detectors: { off: [slow_client, arp_brust] }\n"),
            "p.yaml:4:33: detectors.off[1]: expected a word such as syn_unanswered, not \"arp_brust\" (did you mean "
            "\"arp_burst\"?)\n");
  EXPECT_THAT(errors_with("detectors: { off: [unspecified] }\n"), HasSubstr("p.yaml:4:20: detectors.off[0]: expected a word"));
  EXPECT_THAT(
      errors_with("detectors:\n  severities: [{ kind: slow_server, severity: grave }]\n"),
      HasSubstr("p.yaml:5:47: detectors.severities[0].severity: expected info, notice, warning or critical, not \"grave\""));
  EXPECT_EQ(errors_with("detectors:\n  severities: [{ severity: info }, { kind: slow_path }]\n"),
            "p.yaml:5:16: detectors.severities[0].kind is missing: the kind of finding\n"
            "p.yaml:5:36: detectors.severities[1].severity is missing: info, notice, warning or critical\n");
  const std::string twice = "[{ kind: slow_path, severity: info }, { kind: slow_path, severity: notice }]";
  EXPECT_EQ(errors_with("detectors: { severities: " + twice + " }\n"),
            "p.yaml:4:72: detectors.severities[1].kind: detectors.severities[0] is of that kind already; each kind once\n");
}

TEST(Config, ThresholdsHaveBounds) {
  EXPECT_EQ(errors_with("thresholds:\n  arp_burst_requests: 1\n"),
            "p.yaml:5:23: thresholds.arp_burst_requests: 1 is too small; at least 2\n");
  EXPECT_EQ(errors_with("thresholds:\n  zero_window_stall_least_seconds: 200ms\n"),
            "p.yaml:5:36: thresholds.zero_window_stall_least_seconds: 200ms is too small; at least 1s\n");
  EXPECT_THAT(
      errors_with("thresholds:\n  slow_server_mean: 1s\n"),
      HasSubstr("p.yaml:5:3: unknown key \"slow_server_mean\" in thresholds (did you mean \"slow_server_mean_seconds\"?)\n"));
  EXPECT_EQ(
      errors_with("thresholds: { slow_server_longest_seconds: 100ms }\n"),
      "p.yaml:4:44: thresholds.slow_server_longest_seconds: 0.1s is less than thresholds.slow_server_mean_seconds (0.2s), and "
      "nothing would be told\n");
}

TEST(Config, ZeroSaysSomethingElseThanAbsent) {
  EXPECT_EQ(load(std::string(kSmall) + "timing: { kernel_delivery_seconds: 0 }\n").config.timing().kernel_delivery_seconds(), 0);
  EXPECT_EQ(load(kSmall).config.timing().kernel_delivery_seconds(), 0.01);
}

TEST(Config, MergeKeysFillInWhatDoesNotStandThere) {
  const LoadedConfig loaded = load(R"(path: [outside, inside]
ports:
  - &tap { name: tap0, point: outside, source: "pcap:eth0", direction: toward_inside }
  - { <<: *tap, name: tap1, source: "pcap:eth1" }
  - { name: tap2, <<: [{ point: inside }, *tap], source: "pcap:eth2" }
)");
  ASSERT_EQ(loaded.error_text(), "");
  EXPECT_EQ(loaded.config.ports(1).name(), "tap1");
  EXPECT_EQ(loaded.config.ports(1).point(), "outside");
  EXPECT_EQ(loaded.config.ports(1).direction(), v1::PORT_DIRECTION_TOWARD_INSIDE);
  EXPECT_EQ(loaded.config.ports(2).name(), "tap2");
  EXPECT_EQ(loaded.config.ports(2).point(), "inside") << "of several the first goes before the others";
  EXPECT_EQ(loaded.config.ports(2).direction(), v1::PORT_DIRECTION_TOWARD_INSIDE);
}

TEST(Config, MergeKeysWithoutEndAreRefused) {
  EXPECT_THAT(load("limits: &a { <<: *a }\n").error_text(), HasSubstr("p.yaml:1:14:"));
  std::string bomb = "a0: &a0 { legs: 4096 }\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1) + ", ";
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " { <<: [";
    for (int times = 0; times < 9; ++times) bomb += before;
    bomb += "*a" + std::to_string(i - 1) + "] }\n";
  }
  EXPECT_THAT(load("limits: { <<: " + bomb).error_text(), HasSubstr("not valid YAML"));
  EXPECT_THAT(load(bomb + "limits: { <<: *a11 }\n").error_text(), HasSubstr("more than 1000 keys"));
}

TEST(Config, PlacesOfFieldsAreKept) {
  const LoadedConfig loaded = load(kSmall);
  EXPECT_EQ(loaded.places.error_at("ports[0].source", "is gone").text(), "p.yaml:3:43: is gone");
  EXPECT_EQ(loaded.places.error_at("ports[0].direction", "is odd").text(), "p.yaml:3:5: is odd") << "it stands in no line";
  EXPECT_EQ(loaded.places.error_at("spool.size", "is large").text(), "p.yaml:1:1: is large");
}

TEST(Config, EmptySectionsAndCommentedListsAreAllowed) {
  EXPECT_EQ(errors_with("sensor:\nlimits:\n  # legs: 1\nworkers:\n  cores:\n"), "");
}

// One row: what follows kSmall (its first line is line 4), and the whole error text.
struct Refused {
  const char* name;
  const char* yaml;
  const char* error;
};

class ConfigRefuses : public testing::TestWithParam<Refused> {};

TEST_P(ConfigRefuses, WithPositionAndWhatWouldBeRight) {
  EXPECT_EQ(errors_with(GetParam().yaml), std::string(GetParam().error) + '\n');
}

INSTANTIATE_TEST_SUITE_P(
    Values, ConfigRefuses,
    testing::Values(
        Refused{"UnknownTopKey", "wrokers: { count: 2 }\n",
                "p.yaml:4:1: unknown key \"wrokers\" (did you mean \"workers\"?); known are sensor, path, ports, workers, spool, "
                "filter, "
                "timing, limits, api, metrics, eal, service, identity, detectors, thresholds, history, connection_log, webhook"},
        Refused{"UnknownKeyInSection", "workers:\n  coutn: 2\n",
                "p.yaml:5:3: unknown key \"coutn\" in workers (did you mean \"count\"?); known are count, rx_count, cores"},
        Refused{"UnknownKeyWithoutNeighbour", "sensor: { frobnicate: 1 }\n",
                "p.yaml:4:11: unknown key \"frobnicate\" in sensor; known are name"},
        Refused{"DoubledKey", "workers:\n  count: 2\n  count: 3\n",
                "p.yaml:6:3: workers.count stands here a second time; the first is in line 5"},
        Refused{"DoubledSection", "sensor: { name: a }\nsensor: { name: b }\n",
                "p.yaml:5:1: sensor stands here a second time; the first is in line 4"},
        Refused{"WordForNumber", "workers: { count: two }\n", "p.yaml:4:19: workers.count: expected a whole number, not \"two\""},
        Refused{"NegativeNumber", "workers: { count: -1 }\n", "p.yaml:4:19: workers.count: expected a whole number, not \"-1\""},
        Refused{"FractionForCount", "workers: { count: 1.5 }\n",
                "p.yaml:4:19: workers.count: expected a whole number, not \"1.5\""},
        Refused{"NumberBeyond64Bits", "workers: { count: 99999999999999999999999 }\n",
                "p.yaml:4:19: workers.count: 99999999999999999999999 is too large; at most 64"},
        Refused{"SizeBeyond64Bits", "spool: { directory: /x, size: 99999999999999999999999 }\n",
                "p.yaml:4:31: spool.size: expected a size such as 4096, 64KiB or 200GiB, not \"99999999999999999999999\""},
        Refused{"MergeOfAWord", "limits: { <<: 12 }\n",
                "p.yaml:4:11: <<: merges a mapping, such as *name of an anchor &name, not \"12\""},
        Refused{"MergeBringsAnUnknownKey", "spool: &s { directory: /x, size: 1GiB }\nlimits: { <<: *s, mbufs: 4096 }\n",
                "p.yaml:4:13: unknown key \"directory\" in limits; known are legs, half_open_legs, connections, findings, "
                "ring_slots, mbufs\np.yaml:4:28: unknown key \"size\" in limits; known are legs, half_open_legs, connections, "
                "findings, ring_slots, mbufs"},
        Refused{"MetricsInTheWayOfTheApi",
                "api: { address: \"127.0.0.1:9464\", tls_certificate: a, tls_key: b, tls_client_ca: c }\n"
                "metrics: { address: \"0.0.0.0:9464\" }\n",
                "p.yaml:5:21: metrics.address: \"0.0.0.0:9464\" is in the way of api.address (\"127.0.0.1:9464\"); each needs a "
                "port of its own"},
        Refused{"TooSmall", "workers: { count: 0 }\n", "p.yaml:4:19: workers.count: 0 is too small; at least 1"},
        Refused{"TooLarge", "workers: { count: 65 }\n", "p.yaml:4:19: workers.count: 65 is too large; at most 64"},
        Refused{"Beyond32Bits", "limits: { connections: 4294967296 }\n",
                "p.yaml:4:24: limits.connections: 4294967296 is too large; at most 4294967295"},
        Refused{"ListForNumber", "workers: { count: [2] }\n", "p.yaml:4:19: workers.count: expected a whole number, not a list"},
        Refused{"MappingForNumber", "workers:\n  count:\n    a: 1\n",
                "p.yaml:6:5: workers.count: expected a whole number, not a mapping (key: value)"},
        Refused{"NothingForNumber", "workers:\n  count:\n", "p.yaml:5:3: workers.count: has no value; expected a whole number"},
        Refused{"ScalarForList", "workers: { cores: 2 }\n",
                "p.yaml:4:19: workers.cores: expected a list, such as [2], not \"2\""},
        Refused{"WordInList", "workers: { cores: [0, x] }\n",
                "p.yaml:4:23: workers.cores[1]: expected a whole number, not \"x\""},
        Refused{"ScalarForSection", "workers: 2\n", "p.yaml:4:10: workers: expected keys and values (key: value), not \"2\""},
        Refused{"ListForSection", "workers: [2]\n", "p.yaml:4:10: workers: expected keys and values (key: value), not a list"},
        Refused{"YesForTrue", "eal: { huge_pages: yes }\n", "p.yaml:4:20: eal.huge_pages: expected true or false, not \"yes\""},
        Refused{"Truth", "eal: { huge_pages: ture }\n",
                "p.yaml:4:20: eal.huge_pages: expected true or false, not \"ture\" (did you mean \"true\"?)"},
        Refused{"SizeWithoutB", "spool: { directory: /s, size: 200G }\n",
                "p.yaml:4:31: spool.size: expected a size such as 4096, 64KiB or 200GiB, not \"200G\""},
        Refused{"SizeMissing", "spool: { directory: /s }\n",
                "p.yaml:4:8: spool.size is missing: how much of the disk the spool may take, such as 200GiB"},
        Refused{
            "SizeForTwoFiles", "spool: { directory: /s, size: 100MiB }\n",
            "p.yaml:4:31: spool.size: 100MiB is less than two files of spool.file_size (64MiB); give it more, or smaller files"},
        Refused{"SizeWithoutDirectory", "spool: { size: 1GiB }\n",
                "p.yaml:4:16: spool.size: there is no spool without spool.directory; add it or leave both out"},
        Refused{"SpoolAgeTooShort", "spool: { directory: /s, size: 1GiB, max_age_seconds: 30s }\n",
                "p.yaml:4:54: spool.max_age_seconds: 30s is too short; at least 60s, or 0 for any age"},
        Refused{"SpoolAgeUnit", "spool: { directory: /s, size: 1GiB, max_age_seconds: 1w }\n",
                "p.yaml:4:54: spool.max_age_seconds: expected a duration such as 250ms, 10s or 5m, not \"1w\""},
        Refused{"SpoolMinFree", "spool: { directory: /s, size: 1GiB, min_free: 5% }\n",
                "p.yaml:4:47: spool.min_free: expected a size such as 4096, 64KiB or 200GiB, not \"5%\""},
        Refused{"SpoolMount", "spool: { directory: /s, size: 1GiB, require_mount: yes }\n",
                "p.yaml:4:52: spool.require_mount: expected true or false, not \"yes\""},
        Refused{"HistoryTooSmall", "history: { directory: /h, size: 1MiB }\n",
                "p.yaml:4:33: history.size: 1MiB is too small; at least 16MiB"},
        Refused{"LogWithOneFile", "connection_log: { directory: /l, files: 1 }\n",
                "p.yaml:4:41: connection_log.files: 1 is too small; at least 2"},
        Refused{"WebhookWithoutScheme", "webhook: { url: \"alerts:9095\" }\n",
                "p.yaml:4:17: webhook.url: \"alerts:9095\" begins with neither http:// nor https://; such as "
                "\"http://alerts.example.net:9095/hook\""},
        Refused{"SnaplenZero", "spool: { snaplen: 0 }\n", "p.yaml:4:19: spool.snaplen: 0 is too small; at least 64"},
        Refused{"DurationUnit", "timing: { device_timeout_seconds: 5 minutes }\n",
                "p.yaml:4:35: timing.device_timeout_seconds: expected a duration such as 250ms, 10s or 5m, not \"5 minutes\""},
        Refused{"DurationNegative", "timing: { device_timeout_seconds: -1s }\n",
                "p.yaml:4:35: timing.device_timeout_seconds: expected a duration such as 250ms, 10s or 5m, not \"-1s\""},
        Refused{"DurationNotANumber", "timing: { device_timeout_seconds: nan }\n",
                "p.yaml:4:35: timing.device_timeout_seconds: expected a duration such as 250ms, 10s or 5m, not \"nan\""},
        Refused{"DurationZero", "timing: { device_timeout_seconds: 0 }\n",
                "p.yaml:4:35: timing.device_timeout_seconds: 0 is too small; at least 0.001s"},
        Refused{"RingNotPowerOfTwo", "limits: { ring_slots: 5000 }\n",
                "p.yaml:4:23: limits.ring_slots: 5000 is not a power of two; 8192 is the next"},
        Refused{"HalfOpenAboveLegs", "limits: { legs: 100, half_open_legs: 101 }\n",
                "p.yaml:4:38: limits.half_open_legs: 101 is more than limits.legs (100), of which they are a part"},
        Refused{"TooManyCores", "workers: { cores: [1, 2, 3] }\n",
                "p.yaml:4:19: workers.cores: 3 cores for 2 threads (rx_count + count); at most one core for each"},
        Refused{"ApiRelativePath", "api: { address: \"unix:grpc.sock\" }\n",
                "p.yaml:4:17: api.address: \"unix:grpc.sock\" needs an absolute path, such as unix:/run/parallax/grpc.sock"},
        Refused{"ApiNoAddress", "api: { address: here }\n",
                "p.yaml:4:17: api.address: \"here\" is no address: unix:/path, or host:port with TLS"},
        Refused{"ApiTcpWithoutOneTlsFile", "api: { address: \"0.0.0.0:7000\", tls_certificate: a, tls_key: b }\n",
                "p.yaml:4:17: api.address: \"0.0.0.0:7000\" is a TCP address and needs mutual TLS: api.tls_client_ca is missing "
                "(a PEM file)"},
        Refused{"ApiUnixWithTls", "api: { tls_key: b }\n",
                "p.yaml:4:17: api.tls_key: a unix socket has no TLS; remove it, or give api.address as host:port"},
        Refused{"RoleUnknown", "api: { roles: [{ role: pullr, group: adm }] }\n",
                "p.yaml:4:24: api.roles[0].role: expected viewer, puller or admin, not \"pullr\" (did you mean \"puller\"?)"},
        Refused{"RoleMissing", "api: { roles: [{ group: adm }] }\n",
                "p.yaml:4:16: api.roles[0].role is missing: viewer, puller or admin"},
        Refused{"RoleOfNobody", "api: { roles: [{ role: viewer }] }\n",
                "p.yaml:4:16: api.roles[0].group is missing: the group that has this role, such as adm"},
        Refused{"RoleOfEmptyGroup", "api: { roles: [{ role: viewer, group: \"\" }] }\n",
                "p.yaml:4:39: api.roles[0].group is empty: the group that has this role, such as adm"},
        Refused{"RoleOfACertificateWithoutTls", "api: { roles: [{ role: viewer, name: anna }] }\n",
                "p.yaml:4:38: api.roles[0].name: nobody shows a certificate on a unix socket; give a group, such as group: adm"},
        Refused{
            "RoleOfAGroupOnTcp",
            "api: { address: \"0.0.0.0:7000\", tls_certificate: a, tls_key: b, tls_client_ca: c,\n"
            "  roles: [{ role: viewer, group: adm }] }\n",
            "p.yaml:5:34: api.roles[0].group: callers on TCP are in no group; give a name of their certificates, such as name: "
            "anna.example.net"},
        Refused{"RoleOfNoCertificate",
                "api: { address: \"0.0.0.0:7000\", tls_certificate: a, tls_key: b, tls_client_ca: c,\n"
                "  roles: [{ role: viewer }] }\n",
                "p.yaml:5:11: api.roles[0].name is missing: of the certificates that have this role, such as anna.example.net, "
                "\"*.example.net\", or \"*\" for all"},
        Refused{"RoleOfAnEmptyName",
                "api: { address: \"0.0.0.0:7000\", tls_certificate: a, tls_key: b, tls_client_ca: c,\n"
                "  roles: [{ role: viewer, name: \"\" }] }\n",
                "p.yaml:5:33: api.roles[0].name: the name is empty; a name of a certificate, such as anna.example.net, "
                "\"*.example.net\", or \"*\" for all"},
        Refused{
            "RoleOfAnAsteriskWithin",
            "api: { address: \"0.0.0.0:7000\", tls_certificate: a, tls_key: b, tls_client_ca: c,\n"
            "  roles: [{ role: viewer, name: \"a*\" }] }\n",
            "p.yaml:5:33: api.roles[0].name: \"a*\": an asterisk stands alone or for the first label; a name of a certificate, "
            "such as anna.example.net, \"*.example.net\", or \"*\" for all"},
        Refused{
            "RolesTwiceForOne", "api: { roles: [{ role: viewer, group: adm }, { role: puller, group: adm }] }\n",
            "p.yaml:4:46: api.roles[1]: api.roles[0] is of \"adm\" already; each once, with the highest role: it includes those "
            "below"},
        Refused{"WatchesNone", "api: { limits: { watches: 0 } }\n",
                "p.yaml:4:27: api.limits.watches: 0 is too small; at least 1"},
        Refused{"SlicesPerCallerMoreThanInAll", "api: { limits: { slices: 2, slices_per_caller: 3 } }\n",
                "p.yaml:4:48: api.limits.slices_per_caller: 3 is more than api.limits.slices (2), of which they are a part"},
        Refused{"SliceSizeOfNothing", "api: { limits: { slice_size: 1KiB } }\n",
                "p.yaml:4:30: api.limits.slice_size: 1KiB is too small; at least 64KiB, or 0 for no limit"},
        Refused{"MetricsPort", "metrics: { address: \"127.0.0.1:99999\" }\n",
                "p.yaml:4:21: metrics.address: \"127.0.0.1:99999\" is no address: host:port such as 127.0.0.1:9464, or \"\" for "
                "none"}),
    [](const auto& info) { return info.param.name; });

// The same with the whole file given.
class ConfigRefusesFile : public testing::TestWithParam<Refused> {};

TEST_P(ConfigRefusesFile, WithPositionAndWhatWouldBeRight) {
  EXPECT_EQ(load(GetParam().yaml).error_text(), std::string(GetParam().error) + '\n');
}

INSTANTIATE_TEST_SUITE_P(
    Names, ConfigRefusesFile,
    testing::Values(
        Refused{"PointNotInPath", "path: [outside, inside]\nports:\n  - { name: a, point: insde, source: \"pcap:e\" }\n",
                "p.yaml:3:23: ports[0].point: \"insde\" is not in path (outside or inside) (did you mean \"inside\"?)"},
        Refused{"PointMissing", "path: [outside, inside]\nports:\n  - { name: a, source: \"pcap:e\" }\n",
                "p.yaml:3:5: ports[0].point is missing: the point that this port feeds, outside or inside"},
        Refused{"PointTwice", "path: [a, b, a]\nports: [{ name: a, point: a, source: \"pcap:e\" }]\n",
                "p.yaml:1:14: path: \"a\" stands in it twice; each point once"},
        Refused{"PointNoName", "path: [\"a b\"]\nports: [{ name: a, point: \"a b\", source: \"pcap:e\" }]\n",
                "p.yaml:1:8: path: \"a b\" is no name (letters, digits, _ and -, a letter first, such as \"outside\")"},
        Refused{"PathTooLong", "path: [a, b, c, d, e, f, g, h, i]\nports: [{ name: a, point: a, source: \"pcap:e\" }]\n",
                "p.yaml:1:7: path: 9 points; at most 8"},
        Refused{"PathAsWord", "path: outside\nports: [{ name: a, point: outside, source: \"pcap:e\" }]\n",
                "p.yaml:1:7: path: expected a list, such as [outside], not \"outside\""},
        Refused{"NoPorts", "path: [a]\nports: []\n",
                "p.yaml:2:8: ports is missing: at least one port is needed, such as { name: tap0, point: outside, source: "
                "\"pcap:eth0\" }"},
        Refused{
            "PortNameTwice",
            "path: [a]\nports:\n  - { name: x, point: a, source: \"pcap:e\" }\n  - { name: x, point: a, source: \"pcap:f\" }\n",
            "p.yaml:4:13: ports[1].name: ports[0] is called \"x\" already; each name once"},
        Refused{
            "PortNameEmpty", "path: [a]\nports:\n  - { name: \"\", point: a, source: \"pcap:e\" }\n",
            "p.yaml:3:13: ports[0].name: the name is empty (letters, digits, _ - . and :, a letter first, such as \"outside\")"},
        Refused{
            "SourceTwice",
            "path: [a]\nports:\n  - { name: x, point: a, source: \"pcap:e\" }\n  - { name: y, point: a, source: \"pcap:e\" }\n",
            "p.yaml:4:34: ports[1].source: ports[0] has the source \"pcap:e\" already; a source can feed one port only"},
        Refused{"SourceKind", "path: [a]\nports: [{ name: x, point: a, source: \"dpkd:net_null0\" }]\n",
                "p.yaml:2:38: ports[0].source: \"dpkd:net_null0\" is no source: dpdk:<PCI address or vdev arguments>, "
                "pcap:<interface> "
                "or file:<path> (did you mean \"dpdk\"?)"},
        Refused{"SourceEmpty", "path: [a]\nports: [{ name: x, point: a, source: \"pcap:\" }]\n",
                "p.yaml:2:38: ports[0].source: nothing stands after \"pcap:\"; expected dpdk:<PCI address or vdev arguments>, "
                "pcap:<interface> or file:<path>"},
        Refused{"Direction", "path: [a]\nports: [{ name: x, point: a, source: \"pcap:e\", direction: towards_inside }]\n",
                "p.yaml:2:59: ports[0].direction: expected both, toward_inside or toward_outside, not \"towards_inside\" (did "
                "you mean "
                "\"toward_inside\"?)"},
        Refused{"DirectionInCapitals",
                "path: [a]\nports: [{ name: x, point: a, source: \"pcap:e\", direction: TOWARD_INSIDE }]\n",
                "p.yaml:2:59: ports[0].direction: expected both, toward_inside or toward_outside, not \"TOWARD_INSIDE\""},
        Refused{"PortsOfWords", "path: [a]\nports: [eth0, { name: x, point: a, source: \"pcap:e\" }]\n",
                "p.yaml:2:9: ports[0]: expected keys and values (key: value), not \"eth0\""},
        Refused{"TopLevelList", "- a\n", "p.yaml:1:1: the configuration: expected keys and values (key: value), not a list"},
        Refused{"Empty", "",
                "p.yaml: path is missing: the points in their order along the path, such as [outside, inside]\n"
                "p.yaml: ports is missing: at least one port is needed, such as { name: tap0, point: outside, source: "
                "\"pcap:eth0\" }"},
        Refused{"NotYaml", "path: [a\nports: b\n", "p.yaml:2:6: not valid YAML: end of sequence flow not found"},
        Refused{"Tab", "path: [a]\nsensor:\n\tname: x\n",
                "p.yaml:3:6: not valid YAML: illegal map value (a tab cannot indent; use spaces)"}),
    [](const auto& info) { return info.param.name; });

TEST(Config, ReportsAllErrorsInTheOrderOfTheFile) {
  const LoadedConfig loaded =
      load("path: [outside, inside]\nworkers: { count: 0, nose: 1 }\nports:\n  - { name: a, point: b, source: x }\n");
  ASSERT_EQ(loaded.errors.size(), 4u) << loaded.error_text();
  EXPECT_EQ(loaded.errors[0].line, 2);
  EXPECT_EQ(loaded.errors[0].column, 19);
  EXPECT_EQ(loaded.errors[1].column, 22);
  EXPECT_EQ(loaded.errors[2].line, 4);
  EXPECT_EQ(loaded.errors[3].line, 4);
}

TEST(Config, OfflineNeedsNeitherPathNorPorts) {
  EXPECT_EQ(load("timing: { device_timeout_seconds: 2s }\n", ConfigUse::offline).error_text(), "");
  EXPECT_EQ(load("", ConfigUse::offline).error_text(), "");
  EXPECT_NE(load("timing: { device_timeout: 2s }\n", ConfigUse::offline).error_text(), "");
}

TEST(Config, SecondDocumentIsRefused) {
  EXPECT_THAT(errors_with("---\npath: [a]\n"), HasSubstr("a second YAML document begins here"));
}

TEST(Config, MissingFileAndDirectoryAreErrors) {
  EXPECT_EQ(load_config_file("/nonexistent/p.yaml", ConfigUse::daemon).error_text(),
            "/nonexistent/p.yaml: cannot be read: No such file or directory\n");
  EXPECT_EQ(load_config_file("/", ConfigUse::daemon).error_text(), "/: cannot be read: Is a directory\n");
}

TEST(Config, HostileYamlIsRefusedAndNothingBreaks) {
  EXPECT_FALSE(load(std::string(100'000, '[')).ok());
  EXPECT_FALSE(load(std::string(1000, '{') + std::string(1000, '}')).ok());
  EXPECT_FALSE(load("a: &a [*a]\n").ok());
  EXPECT_FALSE(load(std::string("\x00\x01\xff\xfe", 4)).ok());
  EXPECT_FALSE(load("? [complex]\n: key\n").ok());
  EXPECT_FALSE(load("path: [\"a\\0b\"]\n").ok());
}

// yaml-cpp finds one empty document after another in it.
TEST(Config, TextThatNeverEndsForTheParserIsRefused) {
  EXPECT_THAT(errors_with(", point: e: \"file:x.pcap\" }\nete \n"), HasSubstr("not valid YAML"));
}

TEST(Quantity, SizesInAllUnits) {
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("64KiB"), 65536u);
  EXPECT_EQ(parse_bytes("64 kib"), 65536u);
  EXPECT_EQ(parse_bytes("1.5TB"), 1'500'000'000'000u);
  EXPECT_EQ(parse_bytes("0.1KB"), 100u);
  EXPECT_EQ(parse_bytes("7B"), 7u);
  EXPECT_EQ(parse_bytes("9007199254740993"), 9007199254740993u);
  for (const char* bad : {"", "B", "-1", "1.5", "1e3", "0x10", "1 ", " 1", "1K", "1kb ib", "inf", "nan", "99999999PiB", "0.3B"}) {
    EXPECT_FALSE(parse_bytes(bad)) << bad;
  }
}

TEST(Quantity, PrintedSizesReadBack) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{1023}, uint64_t{1024}, uint64_t{1} << 40,
                               (uint64_t{1} << 62) + 1, uint64_t{1} << 63}) {
    EXPECT_EQ(parse_bytes(print_bytes(bytes)), bytes);
  }
}

TEST(Quantity, Durations) {
  EXPECT_EQ(parse_seconds("250ms"), 0.25);
  EXPECT_EQ(parse_seconds("10ms"), 0.01);
  EXPECT_EQ(parse_seconds("5m"), 300);
  EXPECT_EQ(parse_seconds("0.25"), 0.25);
  EXPECT_EQ(parse_seconds("1.5 h"), 5400);
  EXPECT_EQ(parse_seconds("100us"), 0.0001);
  for (const char* bad : {"", "s", "-1s", "1min", "1e3", "5M", "nan", "inf", "1s "}) EXPECT_FALSE(parse_seconds(bad)) << bad;
  for (const double seconds : {0.0, 1e-9, 0.1, 1.0 / 3, 86400.0, 1e-300})
    EXPECT_EQ(parse_seconds(print_seconds(seconds)), seconds);
}

TEST(Nearest, FindsTypingMistakesAndNothingFarAway) {
  EXPECT_EQ(nearest("insde", {"outside", "inside"}), "inside");
  EXPECT_EQ(nearest("legs", {"limits"}), "");
  EXPECT_EQ(nearest("device_timeout", {"device_timeout_seconds", "idle_timeout_seconds"}), "device_timeout_seconds");
  EXPECT_EQ(nearest("", {"a"}), "");
}

TEST(Config, RulesOfPinsAreCheckedAndPrinted) {
  const auto with = [](const std::string& pinned) {
    return errors_with("spool: { directory: /s, size: 1GiB, pinned: { " + pinned + " } }\n");
  };
  EXPECT_EQ(with("rules: [{ kinds: [segment_loss], service: \":443\" }]"), "");
  EXPECT_THAT(with("rules: [{ kinds: [segment_lost] }]"), HasSubstr("segment_loss"));
  EXPECT_THAT(with("rules: [{ severity: bad }]"), HasSubstr("expected info, notice, warning or critical"));
  EXPECT_THAT(with("rules: [{ service: shop.example }]"),
              HasSubstr("spool.pinned.rules[0].service: \"shop.example\" is no service: 192.0.2.1:443"));
  EXPECT_THAT(with("rules: [{ size: 1GiB }]"),
              HasSubstr("spool.pinned.rules[0].size: 1GiB is more than half of spool.pinned.size (1GiB)"));
  EXPECT_THAT(with("rules: [{ size: 1KiB }]"), HasSubstr("too small; at least 64KiB"));
  EXPECT_THAT(with("rules: [{ before_seconds: 2d }]"), HasSubstr("spool.pinned.rules[0].before_seconds: 2d is too large"));
  EXPECT_THAT(with("size: 100MiB, rules: [{}]"), HasSubstr("64MiB is more than half of spool.pinned.size (100MiB)"));
  EXPECT_THAT(errors_with("spool: { pinned: { rules: [{}] } }\n"), HasSubstr("there is no spool without spool.directory"));
  const LoadedConfig loaded =
      load(std::string(kSmall) + "spool: { directory: /s, size: 1GiB, pinned: { rules: [{ kinds: [syn_refused] }] } }\n");
  const std::string printed = config_to_yaml(loaded.config);
  EXPECT_THAT(printed, HasSubstr("  pinned:\n    size: 1GiB\n    max_age_seconds: 0s\n    rules:\n      - kinds: [syn_refused]\n"
                                 "        severity: info\n        service: \"\"\n        before_seconds: 10s\n"
                                 "        after_seconds: 10s\n        size: 64MiB\n"));
  EXPECT_TRUE(MessageDifferencer::Equals(load(printed).config, loaded.config));
}

TEST(Config, RulesOfTheSpoolsSnapLengthAreCheckedAndPrinted) {
  const auto with = [](const std::string& rules) {
    return errors_with("spool: { directory: /s, size: 1GiB, snap_rules: " + rules + " }\n");
  };
  EXPECT_THAT(with("[{ snaplen: 300 }]"), HasSubstr("p.yaml:4:"));
  EXPECT_THAT(with("[{ snaplen: 300 }]"), HasSubstr("spool.snap_rules[0].snaplen: 300 is more than spool.snaplen (256)"));
  EXPECT_THAT(with("[{ payload: 0 }, { filter: tcp }]"),
              HasSubstr("spool.snap_rules[0] has no filter and so holds for every packet"));
  EXPECT_THAT(with("[{ snaplen: 8 }]"), HasSubstr("too small; at least 14"));
  EXPECT_THAT(with("[{ headers: 1 }]"), HasSubstr("unknown key \"headers\""));
  EXPECT_THAT(errors_with("spool: { snap_rules: [{ payload: 0 }] }\n"), HasSubstr("there is no spool without spool.directory"));
  const LoadedConfig loaded =
      load(std::string(kSmall) +
           "spool: { directory: /s, size: 1GiB, snap_rules: [{ filter: \"port 53\" }, { filter: tcp, payload: 0 }] }\n");
  const std::string printed = config_to_yaml(loaded.config);
  EXPECT_THAT(printed, HasSubstr("  snap_rules:\n    - filter: \"port 53\"\n    - filter: \"tcp\"\n      payload: 0\n"));
  EXPECT_TRUE(MessageDifferencer::Equals(load(printed).config, loaded.config));
}

}  // namespace
}  // namespace parallax
