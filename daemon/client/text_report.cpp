#include "daemon/client/text_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "daemon/client/finding_groups.h"
#include "daemon/client/paint.h"
#include "daemon/client/report_sections.h"
#include "daemon/client/report_words.h"
#include "daemon/message/text_table.h"

namespace parallax {
namespace {

constexpr size_t kLadderSteps = 16, kLadderIndent = 4;
constexpr int kRelatedMax = 3;

std::string lines_text(const ReportLines& lines) {
  std::string text;
  for (const auto& [level, line] : lines) text += wrapped(printable(line), 2 * level + (level == 0 ? 4 : 2), 2 * level);
  return text;
}

// Empty where there is nothing to say.
std::string section(const char* title, const ReportLines& lines) {
  return lines.empty() ? "" : std::string(title) + '\n' + lines_text(lines);
}

std::string evidence_text(const v1::Evidence& evidence) {
  std::string place = evidence.point();
  if (!evidence.port().empty()) place += ' ' + evidence.port();
  if (!evidence.file().empty()) place += ' ' + file_name(evidence.file());
  if (evidence.frame() != 0) place += fmt::format(" frame {}", evidence.frame());
  return printable(fmt::format("- {} {}, {}: {}", short_time(evidence.time(), false), place, evidence.kind(), evidence.detail()));
}

class Layout {
 public:
  Layout(const Report& report, const Ladders& ladders, const TextStyle& style)
      : report_(report), ladders_(ladders), style_(style), paint_(style.colour) {}

  std::string text() const {
    std::string text = paint_.bold(report_headline(report_)) + "\n\n";
    for (const auto& [level, sentence] : report_verdict(report_)) text += wrapped(printable(sentence), 2, 0);
    text += '\n' + findings() + points() + '\n' + lines_text(report_connections(report_)) + '\n';
    for (const v1::Device& device : report_.devices()) {
      if (device.between_size() == 2) text += lines_text(report_device(device)) + '\n';
    }
    return text + section("What was fine:", report_fine(report_)) +
           section("What could not be judged:", report_not_judged(report_)) + section("Clocks:", report_clocks(report_));
  }

 private:
  std::string findings() const {
    if (report_.findings().empty()) return "Findings: none\n\n";
    const std::vector<FindingsAlike> groups = group_findings(report_.findings());
    std::string text = fmt::format("Findings: {}, worst first\n", report_.findings().size());
    std::set<uint64_t> drawn;
    for (size_t i = 0; i < groups.size() && i < kGroupsMax; ++i)
      text += group_text(groups[i]) + example_text(groups[i], drawn) + '\n';
    if (groups.size() > kGroupsMax)
      text += fmt::format("  and {} more kinds of finding; --format json has all of them\n\n", groups.size() - kGroupsMax);
    return text;
  }

  std::string group_text(const FindingsAlike& group) const {
    const v1::Finding& first = group.first();
    std::string heading =
        wrapped(fmt::format("{}  {}  {}", word(first.severity()), word(first.kind()), heading_words(group)), 4, 2);
    std::string text = paint_severity(std::move(heading), first.severity());
    for (size_t i = 0; i < group.findings.size() && i < kFindingsPerGroup; ++i) text += finding_text(*group.findings[i]);
    if (group.findings.size() > kFindingsPerGroup)
      text += fmt::format("    and {} more of this kind\n", group.findings.size() - kFindingsPerGroup);
    if (const std::string_view next = group.next_step(); !next.empty()) text += wrapped(fmt::format("What next: {}", next), 8, 4);
    return text;
  }

  // The first word of the heading.
  std::string paint_severity(std::string heading, v1::Severity severity) const {
    if (severity < v1::SEVERITY_NOTICE) return heading;
    const size_t begin = heading.find_first_not_of(' '), size = word(severity).size();
    const std::string name = heading.substr(begin, size);
    return heading.replace(begin, size, severity >= v1::SEVERITY_WARNING ? paint_.alarm(name) : paint_.notice(name));
  }

  std::string finding_text(const v1::Finding& finding) const {
    std::string see;
    for (int i = 0; i < std::min(finding.related_connection_ids_size(), kRelatedMax); ++i)
      see += fmt::format("{} {}", i == 0 ? "; see connection" : ",", finding.related_connection_ids(i));
    if (!finding.connection_ids().empty() && !ladders_.contains(finding.connection_ids(0)))
      see += fmt::format("; --ladder {} shows its packets", finding.connection_ids(0));
    std::string text = wrapped(
        printable(fmt::format("[{}] {} (confidence {:.2f}{})", finding.id(), finding.summary(), finding.confidence(), see)), 8,
        4);
    const int shown = std::min(finding.evidence_size(), kEvidenceMax);
    for (int i = 0; i < shown; ++i) text += wrapped(evidence_text(finding.evidence(i)), 10, 8);
    if (finding.evidence_size() > shown)
      text += fmt::format("        - and {} of evidence\n", plural(finding.evidence_size() - shown, "more piece", "more pieces"));
    return text;
  }

  // `drawn`: of which connections the ladder stands further up.
  std::string example_text(const FindingsAlike& group, std::set<uint64_t>& drawn) const {
    const auto found = ladders_.find(group.example());
    if (found == ladders_.end() || found->second.steps.empty()) return {};
    if (!drawn.insert(found->first).second) return fmt::format("    connection {}: its packets stand above\n", found->first);
    LadderStyle style{.ascii = style_.ascii, .colour = style_.colour, .steps_max = kLadderSteps};
    style.columns -= kLadderIndent;
    std::istringstream lines(ladder_text(found->second, style));
    std::string text;
    for (std::string line; std::getline(lines, line);) text += std::string(kLadderIndent, ' ') + line + '\n';
    return text;
  }

  std::string points() const {
    TextTable table({{"Point"}, {"packets", true}, {"bytes", true}, {"from (UTC)"}, {"to"}, {"duration", true}, {"link"}});
    for (const v1::Point& point : report_.points()) {
      const bool empty = point.packets() == 0;
      const int64_t span_ns = from_timestamp(point.last_seen()) - from_timestamp(point.first_seen());
      table.add({point.name(), count_text(point.packets()), bytes_text(point.bytes()),
                 empty ? "-" : short_time(point.first_seen(), true), empty ? "-" : short_time(point.last_seen(), false),
                 empty ? "-" : duration_text(static_cast<double>(span_ns) / 1e9),
                 point.link_type().empty() ? "-" : point.link_type()});
    }
    return table.text() + lines_text(report_point_notes(report_));
  }

  const Report& report_;
  const Ladders& ladders_;
  const TextStyle& style_;
  const Paint paint_;
};

}  // namespace

std::vector<uint64_t> report_examples(const Report& report) {
  std::vector<uint64_t> connections;
  const std::vector<FindingsAlike> groups = group_findings(report.findings());
  for (size_t i = 0; i < groups.size() && i < kGroupsMax; ++i) {
    if (const uint64_t example = groups[i].example(); example != 0) connections.push_back(example);
  }
  std::sort(connections.begin(), connections.end());
  connections.erase(std::unique(connections.begin(), connections.end()), connections.end());
  return connections;
}

std::string text_report(const Report& report, const Ladders& ladders, const TextStyle& style) {
  return Layout(report, ladders, style).text();
}

}  // namespace parallax
