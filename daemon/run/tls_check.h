// Whether the files of api.tls_* can serve mutual TLS: readable, of the right kind, of one key, and of this time; and whether one
// of authorities that others are held against is one.
//
// Called at start and at a reload, by the control thread.
#pragma once

#include <string>
#include <vector>

#include "config/checks.h"
#include "parallax/v1/config.pb.h"

namespace parallax {

// All problems found; none where the API is on a unix socket, or a file is not named.
std::vector<ConfigProblem> check_tls(const v1::ApiConfig& api);
// The same of the file at `path`, which the configuration names in `field`: whether it can be read and begins with a certificate.
std::vector<ConfigProblem> check_authorities(const char* field, const std::string& path);

}  // namespace parallax
