// Which findings are pinned, and by which rule.
#include "daemon/slice/pin_rules.h"

#include <gtest/gtest.h>

#include "config/loader.h"

namespace parallax {
namespace {

constexpr const char* kRules = R"(path: [outside, inside]
ports:
  - { name: tap0, point: outside, source: "pcap:eth0" }
spool:
  directory: /var/spool/parallax
  size: 1GiB
  pinned:
    rules:
      - { kinds: [reset_by_device, segment_loss], severity: warning, before_seconds: 30s, after_seconds: 0, size: 1MiB }
      - { service: "203.0.113.80:443" }
      - { kinds: [syn_unanswered], service: ":53" }
      - { service: "2001:DB8:0::1", severity: critical }
)";

std::vector<PinRule> rules() {
  const LoadedConfig loaded = load_config_text(kRules, "p.yaml", ConfigUse::daemon);
  EXPECT_EQ(loaded.error_text(), "");
  return pin_rules(loaded.config.spool().pinned());
}

TEST(PinRules, TheFirstThatCoversAFindingHolds) {
  struct Case {
    FindingKind kind;
    Severity severity;
    const char* service;  // "": of none
    std::optional<size_t> rule;
  };
  const Case cases[] = {
      {FindingKind::reset_by_device, Severity::warning, "", 0},
      {FindingKind::segment_loss, Severity::critical, "203.0.113.80:443", 0},
      {FindingKind::segment_loss, Severity::notice, "203.0.113.80:443", 1},
      {FindingKind::segment_loss, Severity::notice, "203.0.113.80:444", std::nullopt},
      {FindingKind::slow_server, Severity::info, "203.0.113.80:443", 1},
      {FindingKind::slow_server, Severity::info, "203.0.113.8:443", std::nullopt},
      {FindingKind::syn_unanswered, Severity::info, "198.51.100.1:53", 2},
      {FindingKind::syn_unanswered, Severity::info, "[2001:db8::2]:53", 2},
      {FindingKind::syn_refused, Severity::info, "198.51.100.1:53", std::nullopt},
      {FindingKind::slow_server, Severity::critical, "[2001:db8::1]:8080", 3},
      {FindingKind::slow_server, Severity::warning, "[2001:db8::1]:8080", std::nullopt},
      {FindingKind::port_silent, Severity::critical, "", std::nullopt},
  };
  const std::vector<PinRule> all = rules();
  for (const Case& one : cases) {
    FindingRecord finding;
    finding.kind = one.kind;
    finding.severity = one.severity;
    if (*one.service != '\0') finding.service = one.service;
    EXPECT_EQ(matching_rule(all, finding), one.rule) << name_of(one.kind) << ' ' << name_of(one.severity) << ' ' << one.service;
  }
  EXPECT_FALSE(matching_rule({}, FindingRecord{}));
}

TEST(PinRules, WhatARuleDoesNotSayHasADefault) {
  const std::vector<PinRule> all = rules();
  EXPECT_EQ(all[0].before_ns, 30'000'000'000);
  EXPECT_EQ(all[0].after_ns, 0);
  EXPECT_EQ(all[0].bytes_max, 1u << 20);
  EXPECT_EQ(all[1].before_ns, 10'000'000'000);
  EXPECT_EQ(all[1].after_ns, 10'000'000'000);
  EXPECT_EQ(all[1].bytes_max, 64u << 20);
  EXPECT_EQ(all[1].severity, Severity::info);
}

}  // namespace
}  // namespace parallax
