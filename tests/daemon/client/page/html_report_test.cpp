// The report as a page: what it holds, that what came from the wire stays text, and how it behaves in a real browser.
#include "daemon/client/page/html_report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "analysis/model/vocabulary.h"
#include "daemon/message/to_proto.h"
#include "tests/support/command.h"
#include "tests/support/ladder_steps.h"

namespace parallax {
namespace {

using test::ladder_step;
using test::numbered;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kStart = 1'709'210'096'000'000'000;  // 2024-02-29 12:34:56 UTC
constexpr const char* kHostile = "<script>document.title='owned'</script><img src=\"http://192.0.2.1/x\" onerror=\"alert(1)\">";

// A run between outside and inside in which the device lost segments, and everything that can carry a name carries a hostile one.
class Results {
 public:
  explicit Results(const std::string& name = "inside.example") : name_(name) {
    for (const std::string& point : {std::string("outside"), name_}) add_point(point);
    for (uint64_t id = 1; id <= 12; ++id) add_connection(id);
    add_finding();
    add_ladder();
    v1::Record record;
    record.mutable_summary()->set_packets(240);
    record.mutable_summary()->set_connections(12);
    record.mutable_summary()->add_bounds_hit(name_);
    add(record);
  }

  std::string html() const { return html_report(report_, ladders_, connections_); }

 private:
  void add(const v1::Record& record) {
    report_.add(record);
    connections_.add(record);
  }
  void add_point(const std::string& name) {
    v1::Record record;
    v1::Point& point = *record.mutable_point();
    point.set_name(name);
    point.set_packets(120);
    point.set_bytes(90'000);
    point.set_link_type(name_);
    point.add_warnings(name_);
    *point.mutable_first_seen() = to_timestamp(kStart);
    *point.mutable_last_seen() = to_timestamp(kStart + 2'500'000'000);
    add(record);
  }
  void add_connection(uint64_t id) {
    v1::Record record;
    v1::Connection& connection = *record.mutable_connection();
    connection.set_id(id);
    connection.set_protocol(v1::PROTOCOL_TCP);
    connection.set_outcome(id % 3 == 0 ? v1::OUTCOME_REFUSED : v1::OUTCOME_ESTABLISHED);
    connection.set_close(v1::CLOSE_FIN);
    connection.set_closed_by(v1::CLOSED_BY_CLIENT);
    connection.mutable_client()->set_address("198.51.100.7");
    connection.mutable_client()->set_port(static_cast<uint32_t>(40000 + id));
    connection.mutable_server()->set_address("10.0.0.80");
    connection.mutable_server()->set_port(443);
    v1::Leg& leg = *connection.add_legs();
    leg.set_point("outside");
    leg.set_packets_from_client(id * 7 % 12);  // another order than that of the ids
    leg.set_bytes_from_client(id * 1000);
    leg.mutable_tls()->set_sni(name_);
    *leg.mutable_first_seen() = to_timestamp(kStart + static_cast<int64_t>(id));
    *leg.mutable_last_seen() = to_timestamp(kStart + static_cast<int64_t>(id) * 1'000'000);
    v1::HttpRequest& request = *connection.add_http_requests();
    request.set_method("GET");
    request.set_host(name_);
    request.set_target(name_);
    if (id == 2) connection.add_finding_ids(1);
    add(record);
  }
  void add_finding() {
    v1::Record record;
    v1::Finding& finding = *record.mutable_finding();
    finding.set_id(1);
    finding.set_kind(v1::FINDING_KIND_SEGMENT_LOSS);
    finding.set_severity(v1::SEVERITY_WARNING);
    finding.set_confidence(0.97);
    finding.set_origin(v1::ORIGIN_DEVICE);
    finding.mutable_where()->add_between("outside");
    finding.mutable_where()->add_between(name_);
    finding.set_count(3);
    finding.add_connection_ids(2);
    finding.set_summary("The device dropped 3 segments to " + name_);
    for (uint64_t frame = 1; frame <= 6; ++frame) {
      v1::Evidence& evidence = *finding.add_evidence();
      evidence.set_kind("present_at");
      evidence.set_point("outside");
      evidence.set_file("/captures/" + name_);
      evidence.set_frame(frame);
      evidence.set_detail(name_);
      *evidence.mutable_time() = to_timestamp(kStart + static_cast<int64_t>(frame));
    }
    add(record);
  }
  void add_ladder() {
    Ladder& ladder = ladders_[2];
    ladder.title = {"connection 2: tcp, established", "  outside: " + name_};
    ladder.lanes = {"outside", name_};
    ladder.steps = {ladder_step(Side::client, tcp_flag::syn, 0, {0, 1}), ladder_step(Side::server, tcp_flag::syn, 0, {3, 2}),
                    numbered(ladder_step(Side::client, tcp_flag::ack, 100, {4, 5}), 1, 1),
                    numbered(ladder_step(Side::client, tcp_flag::ack, 100, {6, -1}, bit(PacketLabel::lost_in_device)), 101, 1),
                    numbered(ladder_step(Side::server, tcp_flag::ack, 0, {9, 8}), 1, 101)};
  }

  const std::string name_;
  Report report_;
  ConnectionList connections_;
  Ladders ladders_;
};

TEST(HtmlReport, HasTheSectionsOfTheText) {
  const std::string html = Results().html();
  size_t at = 0;
  for (const char* title :
       {"Findings: 1, worst first", "Points", "Connections", "Devices", "What was fine", "What could not be judged", "Clocks"}) {
    const size_t found = html.find(fmt::format("\">{}</h2>", title));
    ASSERT_NE(found, std::string::npos) << title;
    EXPECT_GT(found, at) << title;
    at = found;
  }
  EXPECT_THAT(html,
              AllOf(HasSubstr("The device dropped 3 segments to inside.example"), HasSubstr("(confidence 0.97; connection <a"),
                    HasSubstr("And 2 more pieces of evidence"), HasSubstr("2024-02-29T12:34:56.000000001Z")));
}

TEST(HtmlReport, LoadsNothingAndAllowsNothing) {
  const std::string html = Results().html();
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  for (const char* reference : {"http:", "https:", "src=", "url(", "@import", "<link", "<iframe", "style=", " onload="})
    EXPECT_THAT(html.substr(0, html.find("<style>")) + html.substr(html.find("<body>")), Not(HasSubstr(reference))) << reference;
}

TEST(HtmlReport, NamesFromTheWireStayText) {
  const std::string html = Results(kHostile).html();
  EXPECT_THAT(html,
              AllOf(HasSubstr("&lt;script&gt;document.title"), Not(HasSubstr("<script>document.title")), Not(HasSubstr("<img"))));
}

TEST(HtmlReport, IdsAreUnique) {
  const std::string html = Results().html();
  std::map<std::string, int> ids;
  const std::regex id("[ <]id=\"([^\"]*)\"");
  for (auto it = std::sregex_iterator(html.begin(), html.end(), id); it != std::sregex_iterator(); ++it) ++ids[(*it)[1]];
  for (const auto& [name, count] : ids) EXPECT_EQ(count, 1) << name;
  const std::regex link("href=\"#([^\"]*)\"");
  for (auto it = std::sregex_iterator(html.begin(), html.end(), link); it != std::sregex_iterator(); ++it)
    EXPECT_TRUE(ids.contains((*it)[1])) << (*it)[1];
}

// ---- in a browser ----

class HtmlReportInBrowser : public testing::Test {
 protected:
  void SetUp() override {
    if (!have_command("chromium")) GTEST_SKIP() << "needs a browser: apt-get install chromium";
  }

  // What the page did once the script had run in it: JSON lines of browse.py.
  std::string browse(const std::string& html, const std::string& script) {
    const std::string page = directory_.path() + "/page.html", question = directory_.path() + "/question.js";
    std::ofstream(page) << html;
    std::ofstream(question) << script;
    const CommandResult result = run(fmt::format("timeout 60 /usr/bin/python3 -B {}/tests/daemon/client/page/browse.py {} < {}",
                                                 PARALLAX_SOURCE_DIR, page, question));
    EXPECT_EQ(result.status, 0) << result.errors;
    return result.output;
  }

  TemporaryDirectory directory_;
};

TEST_F(HtmlReportInBrowser, WhatAPageShouldNotDoWouldBeSeen) {
  const std::string seen = browse("<img src='http://127.0.0.1:9/x'><script>console.error('no'); throw 1</script>", "1");
  EXPECT_THAT(seen,
              AllOf(HasSubstr("{\"request\": \"http://127.0.0.1:9/x\"}"), HasSubstr("\"value\": \"no\""), HasSubstr("Uncaught")));
}

TEST_F(HtmlReportInBrowser, HostileNamesAreInertAndNothingIsLoaded) {
  EXPECT_EQ(browse(Results(kHostile).html(), R"js(
    [document.scripts.length, document.images.length, document.title.includes("owned"),
     document.getElementById("connection-1").textContent.includes("<script>document.title='owned'</script>")].join(" ")
  )js"),
            "{\"value\": \"1 0 false true\"}\n");
}

TEST_F(HtmlReportInBrowser, TablesSortByClick) {
  EXPECT_EQ(browse(Results().html(), R"js(
    const table = document.getElementById("connections-table");
    const titles = [...table.tHead.rows[0].cells].map(cell => cell.textContent);
    const column = titles.indexOf("packets from client");
    const values = () => [...table.tBodies[0].rows].map(row => row.cells[column].textContent).join(",");
    const said = [values()];
    for (let i = 0; i < 2; ++i) {
      table.tHead.rows[0].cells[column].querySelector("button").click();
      said.push(table.tHead.rows[0].cells[column].getAttribute("aria-sort") + " " + values());
    }
    table.tHead.rows[0].cells[titles.indexOf("outcome")].querySelector("button").click();
    said.push(document.querySelectorAll("#connections-table [aria-sort]").length);
    said.push([...table.tBodies[0].rows].map(row => row.id.slice(11)).slice(-4).sort().join(","));
    said.join("; ")
  )js"),
            "{\"value\": \"2,9,6,3,0,7,4,11,1,8,10,5; ascending 0,1,2,3,4,5,6,7,8,9,10,11; "
            "descending 11,10,9,8,7,6,5,4,3,2,1,0; 1; 12,3,6,9\"}\n");
}

TEST_F(HtmlReportInBrowser, FieldLeavesTheRowsThatHoldItsText) {
  EXPECT_EQ(browse(Results().html(), R"js(
    const field = document.querySelector("input[type=search]");
    const shown = () => [...document.querySelectorAll("#connections-table tbody tr")].filter(row => row.checkVisibility()).length;
    const said = [field.checkVisibility(), shown()];
    for (const text of ["REFUSED", "198.51.100.7:40011", ""]) {
      field.value = text;
      field.dispatchEvent(new Event("input"));
      said.push(shown());
    }
    said.join(" ")
  )js"),
            "{\"value\": \"true 12 4 1 12\"}\n");
}

TEST_F(HtmlReportInBrowser, LadderAndGraphAreDrawn) {
  EXPECT_EQ(browse(Results().html(), R"js(
    const seen = selector => [...document.querySelectorAll(selector)].filter(e => e.getBoundingClientRect().height > 0).length;
    ["figure .ladder .step", "figure .ladder .step.lost", "figure .scroll .ladder circle", ".scroll .sequence .segment.p0",
     ".scroll .sequence .segment.p1", ".scroll .sequence .mark.lost", ".scroll .sequence title"].map(seen).join(" ")
       + " " + document.querySelector(".ladder .step.lost title").textContent.slice(0, 16)
       + " " + (document.documentElement.scrollWidth <= innerWidth)
  )js"),
            "{\"value\": \"5 1 9 2 1 1 0 seq 101 len 100; true\"}\n");
}

}  // namespace
}  // namespace parallax
