// The report of `parallax analyze` for people: what is wrong and who did it, worst first, with one example as a ladder under each
// kind of finding; what was seen, what was fine, and what could not be judged. In 100 columns.
//
// Short whatever the size of the input: connections are counted, findings grouped, lists cut with a word about the rest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/client/ladder.h"
#include "daemon/client/report.h"

namespace parallax {

struct TextStyle {
  bool ascii = true;
  bool colour = false;  // escape sequences of ECMA-48
};

// The connections whose ladders a report shows, once all findings have been added.
std::vector<uint64_t> report_examples(const Report& report);

// REQUIRES: the summary has been added. A report does without the ladders that are missing.
std::string text_report(const Report& report, const Ladders& ladders = {}, const TextStyle& style = {});

}  // namespace parallax
