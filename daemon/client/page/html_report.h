// The report of `parallax analyze` as one page that stands alone: the same sections, groups, examples and sentences as the text,
// with ladders and time-sequence graphs as SVG and tables that sort. It loads nothing and may send nothing
// (Content-Security-Policy), runs no script but its own, and is whole without that.
#pragma once

#include <string>

#include "daemon/client/ladder.h"
#include "daemon/client/page/connection_list.h"
#include "daemon/client/report.h"

namespace parallax {

// REQUIRES: the summary has been added.
std::string html_report(const Report& report, const Ladders& ladders, const ConnectionList& connections);

}  // namespace parallax
