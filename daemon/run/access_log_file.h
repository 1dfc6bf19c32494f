// An access log out of its file, plain or gzip.
#pragma once

#include <string>

#include "analysis/model/access_log.h"
#include "capture/core/result.h"

namespace parallax {

// An error: the file cannot be read, or no line of it is of a known format. A file that ends early is read up to there, with a
// warning in it.
Result<AccessLog> read_access_log(const std::string& path);

}  // namespace parallax
