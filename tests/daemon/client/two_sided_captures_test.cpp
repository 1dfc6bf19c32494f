// Captures of two and three sides that nobody here made, of hosts whose clocks are not the same: how many legs belong together,
// and how many packets crossed, is what comparing their sequence numbers packet by packet says (TWO_SIDED.tsv beside them). The
// captures are not part of the project (PARALLAX_CAPTURES); without them the test is skipped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/client/analyze.h"
#include "tests/support/analyze_outcome.h"
#include "tests/support/captures.h"

namespace parallax {
namespace {

using testing::HasSubstr;

struct Sides {
  std::string name;
  std::vector<std::string> points;   // NAME=FILE
  std::vector<std::string> reports;  // what the text report says, among other things
};

class TwoSidedCapturesTest : public testing::TestWithParam<Sides> {};

TEST_P(TwoSidedCapturesTest, PairAsTheirSequenceNumbersSay) {
  AnalyzeOptions options;
  for (const std::string& point : GetParam().points) {
    std::string files = point.substr(0, point.find('=') + 1);
    std::istringstream names(point.substr(files.size()));
    for (std::string name; std::getline(names, name, ',');) {
      const std::filesystem::path file = std::filesystem::path(test::captures_directory()) / name;
      if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file << "; set PARALLAX_CAPTURES";
      files += (files.back() == '=' ? "" : ",") + file.string();
    }
    options.points.push_back(files);
  }
  const test::AnalyzeOutcome outcome = test::analyze_outcome(options);
  EXPECT_EQ(outcome.exit_code, kExitDone) << outcome.err;
  for (const std::string& line : GetParam().reports) EXPECT_THAT(outcome.out, HasSubstr(line));
}

INSTANTIATE_TEST_SUITE_P(
    Captures, TwoSidedCapturesTest,
    testing::Values(
        // What the relay shows twice, as it came out of the tunnel and as it sent it on, has one leg before it and one behind it.
        Sides{
            "l2tp",
            {"client=TS-l2tp_http2__client.pcap", "relay=TS-l2tp_http2__relay.pcap", "server=TS-l2tp_http2__server.pcap"},
            {"\n    at relay: 2 sequence\n    between client and relay: 2 five_tuple\n    between relay and server: 1 sequence\n",
             " entered, 16 crossed, 0 lost", " entered, 14 crossed, 0 lost", " entered, 11 crossed, 0 lost",
             " entered, 10 crossed, 0 lost"}},
        Sides{"wireguard",
              {"relay=TS-wg_https1__relay.pcap", "server=TS-wg_https1__server.pcap"},
              {"between relay and server: 1 sequence\n", " entered, 11 crossed, 0 lost"}},
        Sides{"socks",
              {"client=TS-3proxy_https1__client.pcap", "relay=TS-3proxy_https1__relay.pcap",
               "server=TS-3proxy_https1__server.pcap"},
              {"between client and relay: 1 tls_random\n", "between relay and server: 1 sequence\n",
               " entered, 8 crossed, 0 lost", " entered, 7 crossed, 0 lost"}},
        Sides{"switch_one_way",
              {"in=TS-p4mqtt__s1-eth2_in.pcap", "out=TS-p4mqtt__s1-eth4_out.pcap"},
              {"between in and out: 1 five_tuple\n", " entered, 202 crossed, 0 lost"}},
        Sides{"switch_the_other_way",
              {"out=TS-p4mqtt__s1-eth2_out.pcap", "in=TS-p4mqtt__s1-eth4_in.pcap"},
              {"between out and in: 1 five_tuple\n", " entered, 105 crossed, 0 lost"}},
        Sides{"tree",
              {"s9=TS-p4tree4__s9-eth1_in.pcap,TS-p4tree4__s9-eth1_out.pcap",
               "s1=TS-p4tree4__s1-eth1_in.pcap,TS-p4tree4__s1-eth1_out.pcap"},
              {"between s9 and s1: 2 five_tuple", " entered, 101 crossed, 0 lost", " entered, 94 crossed, 0 lost"}}),
    [](const auto& sides) { return sides.param.name; });

}  // namespace
}  // namespace parallax
