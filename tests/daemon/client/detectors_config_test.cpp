// What the configuration says about detectors is what `parallax analyze` does, and its reports say what was not looked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "daemon/client/analyze.h"
#include "daemon/client/client_text.h"
#include "tests/support/analyze_outcome.h"
#include "tests/support/capture_bytes.h"
#include "tests/support/command.h"
#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

using testing::HasSubstr;
using testing::Not;

// A client asks a closed port.
test::CaptureBytes refused() {
  const Address client = test::address("198.51.100.7"), server = test::address("192.0.2.80");
  test::Ip to{.source = client, .destination = server}, back{.source = server, .destination = client};
  test::Tcp syn{.source_port = 5000, .destination_port = 80, .seq = 1000, .flags = tcp_flag::syn};
  test::Tcp rst{.source_port = 80, .destination_port = 5000, .ack = 1001, .flags = tcp_flag::rst | tcp_flag::ack};
  test::CaptureBytes bytes(false);
  bytes.pcap_header(0xa1b2c3d4);
  uint32_t microseconds = 0;
  for (const test::Frame& frame : {test::tcp_frame(to, syn, {}), test::tcp_frame(back, rst, {})})
    bytes.pcap_packet(1'709'210'096, microseconds += 1000, frame, static_cast<uint32_t>(frame.size()));
  return bytes;
}

using Outcome = test::AnalyzeOutcome;

Outcome analyze_with(const std::string& yaml, const std::string& format) {
  const TemporaryFile capture("refused.pcap", refused().bytes());
  const TemporaryFile config("c.yaml", {reinterpret_cast<const uint8_t*>(yaml.data()), yaml.size()});
  AnalyzeOptions options;
  options.points = {"outside=" + capture.path()};
  options.format = format;
  options.config_file = config.path();
  return test::analyze_outcome(options);
}

TEST(DetectorsConfig, AllIsLookedForUnlessTurnedOff) {
  const Outcome json = analyze_with("", "json");
  EXPECT_EQ(json.exit_code, kExitDone) << json.err;
  EXPECT_THAT(json.out, HasSubstr("\"kind\":\"syn_refused\""));
  EXPECT_THAT(json.out, HasSubstr("\"severity\":\"warning\""));
  EXPECT_THAT(json.out, Not(HasSubstr("not_looked_for")));
  EXPECT_THAT(analyze_with("", "text").out, Not(HasSubstr("ot looked for")));
}

TEST(DetectorsConfig, WhatIsOffIsNotToldAndThatIsSaid) {
  const std::string yaml = "detectors: { off: [syn_refused, arp_burst] }\n";
  const Outcome json = analyze_with(yaml, "json");
  EXPECT_EQ(json.exit_code, kExitDone) << json.err;
  EXPECT_THAT(json.out, Not(HasSubstr("\"finding\"")));
  EXPECT_THAT(json.out, HasSubstr("\"not_looked_for\":[\"syn_refused\",\"arp_burst\"]"));
  EXPECT_THAT(analyze_with(yaml, "text").out, HasSubstr("Not looked for, as configured: syn_refused, arp_burst."));
}

TEST(DetectorsConfig, SeveritiesAreAsConfigured) {
  const Outcome json = analyze_with("detectors: { severities: [{ kind: syn_refused, severity: info }] }\n", "json");
  EXPECT_THAT(json.out, HasSubstr("\"severity\":\"info\""));
  EXPECT_THAT(json.out, Not(HasSubstr("\"severity\":\"warning\"")));
}

TEST(DetectorsConfig, MistakesAreRefusedWithTheirPlace) {
  const Outcome refused = analyze_with("thresholds:\n  fan_out_percent: 101\n", "text");
  EXPECT_EQ(refused.exit_code, kExitUsage);
  EXPECT_THAT(refused.err, HasSubstr("c.yaml:2:20: thresholds.fan_out_percent: 101 is too large; at most 100"));
}

TEST(DetectorsConfig, StatusSaysWhatIsOff) {
  v1::Status status;
  EXPECT_THAT(status_text(status), Not(HasSubstr("ot looked for")));
  status.mutable_summary()->add_not_looked_for(v1::FINDING_KIND_FAN_OUT);
  EXPECT_THAT(status_text(status), HasSubstr("\nNot looked for, as configured: fan_out.\n"));
}

}  // namespace
}  // namespace parallax
