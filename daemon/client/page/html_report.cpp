#include "daemon/client/page/html_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "daemon/client/finding_groups.h"
#include "daemon/client/page/html.h"
#include "daemon/client/page/html_table.h"
#include "daemon/client/page/ladder_svg.h"
#include "daemon/client/page/packet_table.h"
#include "daemon/client/page/page_assets.h"
#include "daemon/client/page/sequence_graph.h"
#include "daemon/client/report_sections.h"
#include "daemon/client/report_words.h"
#include "daemon/message/text_table.h"
#include "daemon/message/time_text.h"

namespace parallax {
namespace {

constexpr size_t kListedMax = 100;  // of the further findings of a group: their sentences

std::string exact_time(const google::protobuf::Timestamp& time) { return time_text(time.seconds(), time.nanos()); }

std::string heading(int level, const std::string& id, const std::string& text) {
  return fmt::format("<h{0}{1}>{2}</h{0}>\n", level, id.empty() ? "" : " id=\"" + id + '"', escaped(text));
}

// Lists within lists, as deep as the levels go.
std::string list_of(const ReportLines& lines) {
  std::string out;
  size_t depth = 0;
  for (const auto& [level, text] : lines) {
    for (; depth > level; --depth) out += "</ul>\n";
    if (level == 0) {
      out += "<p>" + escaped(text) + "</p>\n";
      continue;
    }
    for (; depth < level; ++depth) out += "<ul>\n";
    out += "<li>" + escaped(text) + "</li>\n";
  }
  for (; depth > 0; --depth) out += "</ul>\n";
  return out;
}

class Page {
 public:
  Page(const Report& report, const Ladders& ladders, const ConnectionList& connections)
      : report_(report), ladders_(ladders), connections_(connections), groups_(group_findings(report.findings())) {}

  std::string html() const {
    return head() + verdict() + contents() + findings() + points() + connections() + devices() +
           section("fine", "What was fine", report_fine(report_)) +
           section("not-judged", "What could not be judged", report_not_judged(report_)) +
           section("clocks", "Clocks", report_clocks(report_)) + "</main>\n<footer>Parallax " + escaped(PARALLAX_VERSION) +
           ". All times are UTC.</footer>\n<script>" + std::string(kPageScript) + "</script>\n</body></html>\n";
  }

 private:
  std::string head() const {
    return fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; script-src "
        "'sha256-{}'; "
        "base-uri 'none'; form-action 'none'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>{}</style></head>\n"
        "<body><header><h1>Parallax report</h1><p>{}</p></header>\n<main>\n",
        kPageStyleHash, kPageScriptHash, escaped(report_headline(report_)), kPageStyle, escaped(report_headline(report_)));
  }

  std::string verdict() const {
    std::string out = "<div class=\"verdict " + verdict_class() + "\">\n";
    for (const auto& [level, sentence] : report_verdict(report_)) out += "<p>" + escaped(sentence) + "</p>\n";
    return out + "</div>\n";
  }

  // Green is for an all-clear alone.
  std::string verdict_class() const {
    v1::Severity worst = v1::SEVERITY_UNSPECIFIED;
    for (const v1::Finding& finding : report_.findings()) worst = std::max(worst, finding.severity());
    if (worst >= v1::SEVERITY_NOTICE) return word(worst);
    const bool saw_nothing = std::any_of(report_.points().begin(), report_.points().end(), [](const v1::Point& point) {
      return point.packets() > 0 && point.decode_errors() >= point.packets();
    });
    return saw_nothing || report_.summary().packets() == 0 ? "info" : "good";
  }

  // What the page holds.
  std::string contents() const {
    constexpr std::array<std::pair<const char*, const char*>, 7> kSections{{{"findings", "Findings"},
                                                                            {"points", "Points"},
                                                                            {"connections", "Connections"},
                                                                            {"devices", "Devices"},
                                                                            {"fine", "What was fine"},
                                                                            {"not-judged", "What could not be judged"},
                                                                            {"clocks", "Clocks"}}};
    std::string out = "<nav aria-label=\"Sections\"><ul>";
    for (const auto& [id, title] : kSections) out += fmt::format("<li><a href=\"#{}\">{}</a></li>", id, title);
    return out + "</ul></nav>\n";
  }

  static std::string section(const char* id, const char* title, const ReportLines& lines) {
    return fmt::format("<section>\n{}{}</section>\n", heading(2, id, title),
                       lines.empty() ? "<p>Nothing.</p>\n" : list_of(lines));
  }

  // ---- findings ----

  std::string findings() const {
    const size_t count = report_.findings().size();
    if (count == 0) return "<section>\n" + heading(2, "findings", "Findings: none") + "</section>\n";
    std::string out = "<section>\n" + heading(2, "findings", fmt::format("Findings: {}, worst first", count));
    if (groups_.size() > 1) out += group_table();
    std::set<uint64_t> drawn;
    for (size_t i = 0; i < groups_.size() && i < kGroupsMax; ++i) out += group(groups_[i], i, drawn);
    if (groups_.size() > kGroupsMax)
      out += fmt::format("<p>And {} more kinds of finding; --format json has all of them.</p>\n", groups_.size() - kGroupsMax);
    return out + "</section>\n";
  }

  std::string group_table() const {
    HtmlTable table("groups-table", {{"severity"}, {"kind"}, {"where"}, {"by"}, {"times", "number"}, {"time lost", "number"}});
    for (size_t i = 0; i < groups_.size() && i < kGroupsMax; ++i) {
      const FindingsAlike& group = groups_[i];
      const v1::Finding& first = group.first();
      table.add({{badge(first.severity()), std::to_string(first.severity())},
                 {fmt::format("<a href=\"#group-{}\">{}</a>", i + 1, escaped(word(first.kind())))},
                 text_cell(where_text(first.where())),
                 text_cell(word(first.origin())),
                 count_cell(group.count()),
                 group.time_lost_seconds() > 0 ? duration_cell(group.time_lost_seconds()) : HtmlCell{"", "0"}});
    }
    return table.html();
  }

  static std::string badge(v1::Severity severity) { return fmt::format("<span class=\"badge {0}\">{0}</span>", word(severity)); }

  std::string group(const FindingsAlike& group, size_t index, std::set<uint64_t>& drawn) const {
    const v1::Finding& first = group.first();
    std::string out = fmt::format("<article class=\"group {}\" id=\"group-{}\">\n<h3>{}{} <span class=\"faint\">{}</span></h3>\n",
                                  word(first.severity()), index + 1, badge(first.severity()), escaped(word(first.kind())),
                                  escaped(heading_words(group)));
    for (size_t i = 0; i < group.findings.size() && i < kFindingsPerGroup; ++i) out += finding(*group.findings[i]);
    const std::string next(group.next_step());
    if (!next.empty()) out += fmt::format("<p><b>What next:</b> {}</p>\n", escaped(next));
    return out + further(group) + example(group, drawn) + "</article>\n";
  }

  // The findings of a group that are not shown whole.
  static std::string further(const FindingsAlike& group) {
    const size_t count = group.findings.size();
    if (count <= kFindingsPerGroup) return {};
    std::string out = fmt::format("<details><summary>And {} more of this kind</summary><ul>\n", count - kFindingsPerGroup);
    for (size_t i = kFindingsPerGroup; i < std::min(count, kFindingsPerGroup + kListedMax); ++i) {
      const v1::Finding& finding = *group.findings[i];
      out += fmt::format("<li id=\"finding-{0}\"><b>[{0}]</b> {1}</li>\n", finding.id(), escaped(finding.summary()));
    }
    if (count > kFindingsPerGroup + kListedMax)
      out += fmt::format("<li>and {} more; --format json has all of them</li>\n",
                         count_text(count - kFindingsPerGroup - kListedMax));
    return out + "</ul></details>\n";
  }

  std::string finding(const v1::Finding& finding) const {
    std::string out = fmt::format(
        "<div class=\"finding\" id=\"finding-{0}\"><p><b>[{0}]</b> {1} <span class=\"faint\">(confidence "
        "{2:.2f}{3})</span></p>\n",
        finding.id(), escaped(finding.summary()), finding.confidence(), connection_links(finding));
    const int count = finding.evidence_size(), first = std::min(count, kEvidenceMax);
    if (count > 0) out += evidence(finding, 0, first);
    if (count > first)
      out +=
          fmt::format("<details><summary>And {} of evidence</summary>{}</details>\n",
                      plural(static_cast<uint64_t>(count - first), "more piece", "more pieces"), evidence(finding, first, count));
    return out + "</div>\n";
  }

  static std::string evidence(const v1::Finding& finding, int from, int to) {
    HtmlTable table(fmt::format("evidence-{}-{}", finding.id(), from),
                    {{"time (UTC)", "exact"}, {"point"}, {"file"}, {"frame", "number"}, {"evidence"}, {"detail", "words"}});
    for (int i = from; i < to; ++i) {
      const v1::Evidence& evidence = finding.evidence(i);
      table.add({text_cell(exact_time(evidence.time())), text_cell(evidence.point()),
                 text_cell(evidence.file().empty() ? evidence.port() : file_name(evidence.file())),
                 evidence.frame() == 0 ? HtmlCell{""} : count_cell(evidence.frame()), text_cell(evidence.kind()),
                 text_cell(evidence.detail())});
    }
    return table.html();
  }

  std::string connection_links(const v1::Finding& finding) const {
    constexpr int kLinksMax = 5;
    std::string out;
    const int shown = std::min(finding.connection_ids_size(), kLinksMax);
    for (int i = 0; i < shown; ++i)
      out += (i == 0 ? (finding.connection_ids_size() == 1 ? "; connection " : "; connections ") : ", ") +
             connection_link(finding.connection_ids(i));
    if (finding.connection_ids_size() > shown) out += fmt::format(" and {} more", finding.connection_ids_size() - shown);
    for (int i = 0; i < std::min(finding.related_connection_ids_size(), kLinksMax); ++i)
      out += (i == 0 ? "; see connection " : ", ") + connection_link(finding.related_connection_ids(i));
    return out;
  }

  std::string connection_link(uint64_t id) const {
    return connections_.contains(id) ? fmt::format("<a href=\"#connection-{0}\">{0}</a>", id) : std::to_string(id);
  }

  // `drawn`: of which connections the ladder stands further up.
  std::string example(const FindingsAlike& group, std::set<uint64_t>& drawn) const {
    const auto found = ladders_.find(group.example());
    if (found == ladders_.end() || found->second.steps.empty()) return {};
    const auto& [id, ladder] = *found;
    if (!drawn.insert(id).second)
      return fmt::format("<p>Example: connection {0}; <a href=\"#ladder-{0}\">its packets stand above</a>.</p>\n", id);
    std::string title;
    for (const std::string& line : ladder.title) title += "<br><span class=\"exact\">" + escaped(line) + "</span>";
    return fmt::format(
               "<figure id=\"ladder-{}\"><figcaption>Example{}</figcaption>\n<div class=\"scroll\">{}</div>\n{}</figure>\n{}", id,
               title, ladder_svg(ladder), ladder_legend(ladder), sequence_graphs(ladder)) +
           "<details><summary>These packets as a table</summary>\n" + packet_table(ladder, fmt::format("packets-{}", id)) +
           "</details>\n";
  }

  // The findings that the page has, whole or as a sentence.
  std::set<uint64_t> linked_findings() const {
    std::set<uint64_t> ids;
    for (size_t i = 0; i < groups_.size() && i < kGroupsMax; ++i) {
      const auto& findings = groups_[i].findings;
      for (size_t j = 0; j < findings.size() && j < kFindingsPerGroup + kListedMax; ++j) ids.insert(findings[j]->id());
    }
    return ids;
  }

  // ---- what was seen ----

  std::string points() const {
    HtmlTable table("points-table", {{"point"},
                                     {"packets", "number"},
                                     {"bytes", "number"},
                                     {"from (UTC)", "exact"},
                                     {"to (UTC)", "exact"},
                                     {"duration", "number"},
                                     {"link"}});
    for (const v1::Point& point : report_.points()) {
      const bool is_empty = point.packets() == 0;
      const int64_t span_ns = from_timestamp(point.last_seen()) - from_timestamp(point.first_seen());
      table.add({text_cell(point.name()), count_cell(point.packets()), bytes_cell(point.bytes()),
                 text_cell(is_empty ? "" : exact_time(point.first_seen())),
                 text_cell(is_empty ? "" : exact_time(point.last_seen())),
                 is_empty ? HtmlCell{""} : duration_cell(static_cast<double>(span_ns) / 1e9), text_cell(point.link_type())});
    }
    return "<section>\n" + heading(2, "points", "Points") + table.html() + list_of(report_point_notes(report_)) + "</section>\n";
  }

  std::string connections() const {
    std::string out = "<section>\n" + heading(2, "connections", "Connections") + list_of(report_connections(report_));
    if (connections_.empty()) return out + "</section>\n";
    out +=
        "<p hidden><label>Only rows with <input type=\"search\" aria-controls=\"connections-table\" "
        "placeholder=\"address, port, name, outcome\"></label></p>\n";
    out += "<div class=\"tall\">" + connections_.table(linked_findings()) + "</div>\n";
    if (const uint64_t left_out = connections_.left_out(); left_out > 0)
      out += fmt::format(
          "<p>And {} more, of less interest: listed are those with findings, then failed ones, then those with losses. "
          "--format json has all of them.</p>\n",
          plural(left_out, "connection", "connections"));
    return out + "</section>\n";
  }

  std::string devices() const {
    std::string out = "<section>\n" + heading(2, "devices", "Devices");
    if (report_.devices().empty()) out += "<p>None: no connection was paired across two points.</p>\n";
    for (const v1::Device& device : report_.devices()) {
      if (device.between_size() == 2) out += list_of(report_device(device));
    }
    return out + "</section>\n";
  }

  const Report& report_;
  const Ladders& ladders_;
  const ConnectionList& connections_;
  const std::vector<FindingsAlike> groups_;
};

}  // namespace

std::string html_report(const Report& report, const Ladders& ladders, const ConnectionList& connections) {
  return Page(report, ladders, connections).html();
}

}  // namespace parallax
