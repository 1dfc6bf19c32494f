// Whether the files of api.tls_* can serve mutual TLS: readable, of the right kind, of one key, and of this time.
//
// Called at start, by the control thread.
#pragma once

#include <vector>

#include "config/checks.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

// All problems found; none where the API is on a unix socket, or a file is not named.
std::vector<ConfigProblem> check_tls(const v1::ApiConfig& api);

}  // namespace parallax
