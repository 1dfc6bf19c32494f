// Packets that nobody here made, of hosts with public addresses: what the Internet tries there all day wakes nobody. The captures
// are not part of the project (PARALLAX_CAPTURES); without them the test is skipped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "daemon/client/analyze.h"
#include "tests/support/analyze_outcome.h"
#include "tests/support/captures.h"

namespace parallax {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Files {
  std::string name;
  std::vector<std::string> points;  // NAME=FILE
};

class BackgroundCapturesTest : public testing::TestWithParam<Files> {};

TEST_P(BackgroundCapturesTest, IsOneLineAndNoWarning) {
  AnalyzeOptions options;
  for (const std::string& point : GetParam().points) {
    const size_t file = point.find('=') + 1;
    options.points.push_back(point.substr(0, file) +
                             (std::filesystem::path(test::captures_directory()) / point.substr(file)).string());
    if (!std::filesystem::exists(options.points.back().substr(file))) GTEST_SKIP() << "no " << point.substr(file);
  }
  options.format = "json";
  const test::AnalyzeOutcome outcome = test::analyze_outcome(options);
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\"kind\":\"fan_out\""));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\"kind\":\"syn_refused\"")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\"kind\":\"syn_unanswered\"")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\"severity\":\"warning\"")));
}

INSTANTIATE_TEST_SUITE_P(
    Captures, BackgroundCapturesTest,
    testing::Values(Files{"l2tp",
                          {"client=TS-l2tp_http2__client.pcap", "relay=TS-l2tp_http2__relay.pcap",
                           "server=TS-l2tp_http2__server.pcap"}},
                    Files{"wireguard", {"relay=TS-wg_https1__relay.pcap", "server=TS-wg_https1__server.pcap"}},
                    Files{"proxy",
                          {"client=TS-3proxy_https1__client.pcap", "relay=TS-3proxy_https1__relay.pcap",
                           "server=TS-3proxy_https1__server.pcap"}},
                    Files{"base", {"client=TS-base_http1__client.pcap", "server=TS-base_http1__server.pcap"}},
                    Files{"worms", {"home=ppa__evilprogram.pcap"}}),
    [](const auto& files) { return files.param.name; });

}  // namespace
}  // namespace parallax
