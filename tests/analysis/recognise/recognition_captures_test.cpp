// What the records say of TLS and HTTP in packets that nobody here made, beside what Wireshark shows of them: all that it shows,
// and nothing more but for the table. The captures are not part of the project (PARALLAX_CAPTURES); without them or without
// tshark the test is skipped.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/captures.h"
#include "tests/support/command.h"

namespace parallax {
namespace {

using test::analyzed;
using test::captures_directory;
using test::split;

constexpr size_t kTargetCompared = 200;  // a record may cut a longer one

// How many facts only one of both has, and why. A fact is an SNI of a stream, a request line, a status or an X-Forwarded-For.
struct File {
  const char* name;
  size_t missing = 0, more = 0;
  const char* why = "";
};
const File kFiles[] = {
    {"TS-3proxy_https1__client.pcap"},
    {"TS-base_http1__server.pcap"},
    {"TS-l2tp_http2__client.pcap"},
    {"TS-l2tp_http2__server.pcap", 0, 1, "an answer whose body never comes to its end, which Wireshark waits for"},
    {"arkime__no-syn-ack.pcap"},
    {"arkime__socks5-reverse.pcap"},
    {"arkime__tls-split-client-hello.pcap"},
    {"arkime__twovlan.pcap"},
    {"ndpi__long_tls_certificate.pcap"},
    {"ndpi__tls_multiple_synack_different_seq.pcapng"},
    {"pp__DisplayFilters.pcapng", 0, 1, "a request to port 139, which Wireshark takes for NetBIOS"},
    {"pp__tlsbroken.pcapng"},
    {"ppa__evilprogram.pcap"},
    {"ppp__example.pcap", 0, 1, "a request with a body that Wireshark shows with neither setting"},
    {"ppp__many_interfaces-1.pcapng"},
    {"ppp__one_http_stream_rst.pcap"},
    {"ppp__one_tcp_stream_max_seq.pcap"},
    {"ppp__unidirectional_tcp_stream_with_missing_packet.pcap", 0, 1, "a request whose body was not captured whole"},
    {"suri__http-async-cli__input.pcap"},
    {"ws__challenge01_ooo_stream.pcapng.gz", 24, 0, "requests inside TLS: the file brings its keys, which Parallax does not use"},
    {"ws__http-ooo.pcap"},
    {"ws__tcp-badsegments.pcap", 0, 1, "a head that is never completed is told when its connection is over"},
    {"zeek__Teredo.pcap"},
    {"zeek__gtp1_gn_normal_incl_fragmentation.pcap"},
    {"zeek__http-vlan-0.pcap"},
    {"zeek__missing-syn.pcap"},
    {"zeek__mpls-in-vlan.pcap"},
    {"zeek__payload-syn.pcap"},
    {"zeek__pppoe-over-qinq.pcap"},
    {"zeek__ssl-to-http-server.pcap", 0, 1, "a hello to port 80, which Wireshark takes for HTTP"},
    {"zeek__vxlan-encapsulated-http.pcap"},
    {"zeek__wikipedia.pcap"},
};

using Facts = std::map<std::string, size_t>;

std::string request_fact(const std::string& method, const std::string& target) {
  return "request " + method + " " + target.substr(0, kTargetCompared);
}

Facts our_facts(const std::string& name) {
  const auto pipeline = analyzed(captures_directory() + "/" + name);
  if (!pipeline) return {};
  Facts facts;
  for (const ConnectionRecord& c : pipeline->engine().connections(0, 1'000'000)) {
    for (const LegRecord& leg : c.legs) {
      if (leg.tls && !leg.tls->sni.empty()) ++facts["sni " + leg.tls->sni];
    }
    for (const HttpRequestRecord& r : c.http_requests) {
      if (!r.method.empty()) ++facts[request_fact(r.method, r.target)];
      if (r.status != 0) ++facts[fmt::format("status {}", r.status)];
      if (!r.forwarded_for.empty()) ++facts["forwarded for " + r.forwarded_for];
    }
  }
  return facts;
}

// `settings`: whether heads are shown before their bodies are complete.
Facts wiresharks_facts(const std::string& name, const std::string& settings) {
  const CommandResult result = run(
      "tshark -o tcp.reassemble_out_of_order:TRUE " + settings + " -r '" + captures_directory() + "/" + name +
      "' -Y 'http.request || http.response || tls.handshake.extensions_server_name' -T fields -E aggregator='|' -E separator=/t "
      "-e tcp.stream -e tls.handshake.extensions_server_name -e http.request.method -e http.request.uri -e http.response.code "
      "-e http.x_forwarded_for");
  EXPECT_EQ(result.status, 0) << result.errors;
  Facts facts;
  std::set<std::string> hellos;  // a hello after a HelloRetryRequest is of the same leg
  std::istringstream lines(result.output);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> fields = split(line, '\t');
    if (fields.size() < 6) continue;
    if (!fields[0].empty() && !fields[1].empty() && hellos.insert(fields[0] + fields[1]).second) ++facts["sni " + fields[1]];
    const auto methods = split(fields[2], '|'), targets = split(fields[3], '|');
    for (size_t i = 0; i < methods.size() && i < targets.size(); ++i) {
      if (!methods[i].empty()) ++facts[request_fact(methods[i], targets[i])];
    }
    for (const std::string& status : split(fields[4], '|')) {
      // What only says "go on" is not the answer.
      if (status.size() == 3 && (status[0] != '1' || status == "101")) ++facts["status " + status];
    }
    if (!fields[5].empty()) ++facts["forwarded for " + fields[5]];
  }
  return facts;
}

// What `these` have more of than `those`.
std::vector<std::string> only_in(const Facts& these, const Facts& those) {
  std::vector<std::string> only;
  for (const auto& [fact, count] : these) {
    const auto other = those.find(fact);
    for (size_t i = other == those.end() ? 0 : other->second; i < count; ++i) only.push_back(fact);
  }
  return only;
}

TEST(RecognitionOfCaptures, IsWhatWiresharkShows) {
  if (!std::filesystem::exists(captures_directory()))
    GTEST_SKIP() << "no captures at " << captures_directory() << "; set PARALLAX_CAPTURES";
  NEEDS_COMMAND("tshark");
  size_t facts = 0;
  for (const File& file : kFiles) {
    SCOPED_TRACE(std::string(file.name) + ": " + file.why);
    const Facts ours = our_facts(file.name);
    const Facts whole = wiresharks_facts(file.name, ""), heads = wiresharks_facts(file.name, "-o http.desegment_body:FALSE");
    Facts either = whole;
    for (const auto& [fact, count] : heads) either[fact] = std::max(either[fact], count);
    const std::vector<std::string> missing = only_in(whole, ours), more = only_in(ours, either);
    EXPECT_EQ(missing.size(), file.missing) << testing::PrintToString(missing);
    EXPECT_EQ(more.size(), file.more) << testing::PrintToString(more);
    for (const auto& [fact, count] : ours) facts += count;
  }
  EXPECT_GT(facts, 700u) << "the captures have so much to say";
}

}  // namespace
}  // namespace parallax
