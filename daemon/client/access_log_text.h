// What came of an access log, for the report: how many of its requests were joined, and what that rests on.
#pragma once

#include <string>
#include <vector>

#include "parallax/v1/types.pb.h"

namespace parallax {

// The first begins with "access log"; the others say more of it. Not wrapped, and not made fit to be shown.
std::vector<std::string> access_log_lines(const v1::AccessLog& log);

}  // namespace parallax
