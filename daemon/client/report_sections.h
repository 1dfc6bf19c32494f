// The sentences of a report, section by section: what the text wraps into columns and the page sets as paragraphs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/client/report.h"

namespace parallax {

// What came from the wire is in it as it came: made fit to be shown by who shows it.
struct ReportLine {
  size_t level;  // 0: a sentence of its own; 1, 2: says more of the one above
  std::string text;
};
using ReportLines = std::vector<ReportLine>;

// All of them once the summary has been added.
std::string report_headline(const Report& report);
ReportLines report_verdict(const Report& report);      // is something wrong, and which devices are not the cause
ReportLines report_point_notes(const Report& report);  // what there is to say of points beyond their numbers
ReportLines report_connections(const Report& report);
ReportLines report_device(const v1::Device& device);
ReportLines report_fine(const Report& report);
ReportLines report_not_judged(const Report& report);  // and why
ReportLines report_clocks(const Report& report);      // how sure times of different points are

}  // namespace parallax
