// `parallax analyze --html`: where the page goes, what standard output gets besides, and what names of captures do in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "daemon/client/analyze.h"
#include "tests/support/analyze_outcome.h"
#include "tests/support/capture_bytes.h"
#include "tests/support/command.h"
#include "tests/support/packet_builder.h"

namespace parallax {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Outcome = test::AnalyzeOutcome;

// A pcap of one connection at a point `transit_us` behind the client.
class Capture {
 public:
  explicit Capture(uint32_t transit_us) : transit_us_(transit_us) { bytes_.pcap_header(0xa1b2c3d4); }

  void add(bool from_client, uint32_t ms, uint8_t flags, uint32_t seq, uint32_t ack, const std::string& text) {
    test::Ip ip;
    ip.source = test::address(from_client ? "198.51.100.7" : "192.0.2.80");
    ip.destination = test::address(from_client ? "192.0.2.80" : "198.51.100.7");
    test::Tcp tcp;
    tcp.source_port = from_client ? 40000 : 80;
    tcp.destination_port = from_client ? 80 : 40000;
    tcp.seq = seq;
    tcp.ack = ack;
    tcp.flags = flags;
    const test::Frame frame = test::tcp_frame(ip, tcp, std::vector<uint8_t>(text.begin(), text.end()));
    const uint32_t microseconds = ms * 1000 + (from_client ? transit_us_ : 500 - transit_us_);
    bytes_.pcap_packet(1'709'210'096 + microseconds / 1'000'000, microseconds % 1'000'000, frame,
                       static_cast<uint32_t>(frame.size()));
  }
  std::string bytes() const { return {bytes_.bytes().begin(), bytes_.bytes().end()}; }

 private:
  const uint32_t transit_us_;
  test::CaptureBytes bytes_{false};
};

class AnalyzeHtmlTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_.path() + '/' + name; }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  std::string content_of(const std::string& name) const {
    std::ostringstream content;
    content << std::ifstream(path(name)).rdbuf();
    return content.str();
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) names.insert(entry.path().filename());
    return names;
  }

  // A request to a host of this name, its answer, and a reset.
  std::string request(const std::string& file, uint32_t transit_us, const std::string& host = "lab.example") const {
    Capture capture(transit_us);
    using namespace tcp_flag;
    const std::string text = "GET /" + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
    const auto asked = 1001 + static_cast<uint32_t>(text.size());
    capture.add(true, 0, syn, 1000, 0, "");
    capture.add(false, 1, syn | ack, 7000, 1001, "");
    capture.add(true, 2, ack, 1001, 7001, "");
    capture.add(true, 3, ack | psh, 1001, 7001, text);
    capture.add(false, 4, ack | psh, 7001, asked, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    capture.add(false, 5, ack | rst, 7041, asked, "");
    return write(file, capture.bytes());
  }

  Outcome analyze(const AnalyzeOptions& options) const { return test::analyze_outcome(options); }

  const TemporaryDirectory directory_;
};

TEST_F(AnalyzeHtmlTest, PageIsWrittenBesideWhatStandardOutputGets) {
  AnalyzeOptions options;
  options.points = {"outside=" + request("a.pcap", 0), "inside=" + request("b.pcap", 100)};
  for (const char* format : {"text", "json"}) {
    options.format = format;
    options.html_file.clear();
    const Outcome without = analyze(options);
    options.html_file = path(std::string(format) + ".html");
    const Outcome with = analyze(options);
    EXPECT_EQ(with.exit_code, kExitDone) << with.err;
    EXPECT_EQ(with.out, without.out) << format;
  }
  const std::string page = content_of("text.html");
  EXPECT_THAT(page, AllOf(StartsWith("<!DOCTYPE html>"), HasSubstr("id=\"connection-1\""), EndsWith("</html>\n")));
  EXPECT_THAT(page, AllOf(HasSubstr("<svg class=\"ladder\""), HasSubstr("<svg class=\"sequence\""))) << "an example of the reset";
  EXPECT_THAT(page, HasSubstr("<b>What next:</b> Look at the server&#39;s log for that time"));
  EXPECT_EQ(content_of("json.html"), page);
  EXPECT_EQ(files(), (std::set<std::string>{"a.pcap", "b.pcap", "json.html", "text.html"}));
}

TEST_F(AnalyzeHtmlTest, NamesInPacketsAndOfFilesStayText) {
  AnalyzeOptions options;
  options.points = {"outside=" + request("<script>a.pcap", 0, "<script>alert(1)</script>"), "inside=" + request("b.pcap", 100)};
  options.html_file = path("report.html");
  EXPECT_EQ(analyze(options).exit_code, kExitDone);
  const std::string page = content_of("report.html");
  EXPECT_THAT(page, AllOf(HasSubstr("&lt;script&gt;alert(1)"), HasSubstr("&lt;script&gt;a.pcap")));
  EXPECT_THAT(page, Not(HasSubstr("<script>a")));
}

TEST_F(AnalyzeHtmlTest, PageThatCannotBeWrittenIsAnErrorBeforeTheWork) {
  AnalyzeOptions options;
  options.points = {"here=" + request("a.pcap", 0)};
  const std::string before = content_of("a.pcap");
  for (const auto& [file, reason] : std::map<std::string, std::string>{{path("missing/report.html"), "No such file or directory"},
                                                                       {directory_.path(), "it is there and no regular file"},
                                                                       {"/dev/null", "it is there and no regular file"},
                                                                       {path("./a.pcap"), "is a capture that is to be read"}}) {
    options.html_file = file;
    const Outcome outcome = analyze(options);
    EXPECT_EQ(outcome.exit_code, kExitFailed) << file;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, AllOf(StartsWith("parallax: --html " + file), HasSubstr(reason)));
  }
  EXPECT_EQ(content_of("a.pcap"), before);
  EXPECT_EQ(files(), std::set<std::string>{"a.pcap"});
}

TEST_F(AnalyzeHtmlTest, PageThatWasThereStaysUntilTheNewOneIsWhole) {
  AnalyzeOptions options;
  options.points = {"here=" + path("missing.pcap")};
  options.html_file = write("report.html", "old");
  EXPECT_EQ(analyze(options).exit_code, kExitUsage);
  EXPECT_EQ(content_of("report.html"), "old");
  EXPECT_EQ(files(), std::set<std::string>{"report.html"});
  options.points = {"here=" + request("a.pcap", 0)};
  EXPECT_EQ(analyze(options).exit_code, kExitDone);
  EXPECT_THAT(content_of("report.html"), StartsWith("<!DOCTYPE html>"));
}

TEST_F(AnalyzeHtmlTest, StandardOutputIsNoPlaceForIt) {
  AnalyzeOptions options;
  options.points = {"here=" + request("a.pcap", 0)};
  options.html_file = "-";
  const Outcome outcome = analyze(options);
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("--html -: must be a file"));
}

TEST_F(AnalyzeHtmlTest, IsOfTheWholeReport) {
  AnalyzeOptions options;
  options.points = {"here=" + request("a.pcap", 0)};
  options.html_file = path("report.html");
  options.ladder = 1;
  const Outcome outcome = analyze(options);
  EXPECT_EQ(outcome.exit_code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("takes no --ladder"));
}

}  // namespace
}  // namespace parallax
