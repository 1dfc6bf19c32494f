// The page's style sheet and script (report.css, report.js), built in. The hashes are for the page's Content-Security-Policy:
// SHA-256 in Base64.
#pragma once

#include <string_view>

namespace parallax {

extern const std::string_view kPageStyle, kPageStyleHash, kPageScript, kPageScriptHash;

}  // namespace parallax
