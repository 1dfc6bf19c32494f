// The page docs/findings.md, made from the table of detectors.
#pragma once

#include <functional>
#include <string>

#include "analysis/model/vocabulary.h"

namespace parallax {

struct FindingExample {
  std::string sentence;
  std::string scenario;  // the file that it comes from
};

std::string findings_page(const std::function<FindingExample(FindingKind)>& example_of);  // Markdown

}  // namespace parallax
