// The page docs/findings.md, made from the table of detectors.
#pragma once

#include <string>

namespace parallax {

std::string findings_page();  // Markdown

}  // namespace parallax
