// What each stage did between two statuses of one run of the daemon, a second. Pure.
#pragma once

#include <string>

#include "parallax/v1/sensor.pb.h"

namespace parallax {

// Whether both are of one run, so that what grew between them is a rate.
bool are_of_one_run(const v1::Status& before, const v1::Status& now);

// A table: capture by port, analysis, connections, findings, spool, pins. REQUIRES: both are of one run, `now` is the later.
std::string rates_text(const v1::Status& before, const v1::Status& now);

}  // namespace parallax
