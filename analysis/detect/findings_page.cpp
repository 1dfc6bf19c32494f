#include "analysis/detect/findings_page.h"

#include "analysis/detect/detector.h"

namespace parallax {
namespace {

constexpr const char* kHead =
    "# Findings\n\n"
    "What each kind means, what must have been seen for it, how it can be wrong, and what to do next. Made from the table of "
    "detectors\n"
    "(`analysis/detect/`) by `./dev docs`; a test holds the two together.\n\n"
    "A finding that rests on a packet's absence is raised only where the absence is proved (`analysis/model/absence_proof.h`): "
    "every\n"
    "port that could have carried the packet covers the time, no witness says that it came all the same, and its path is known. "
    "Where\n"
    "one of these fails the fact is told without blame, with the reason. The examples are what the scenario named says.\n";

void add_section(std::string& page, const Detector& detector, const FindingExample& example) {
  page += "\n## " + std::string(name_of(detector.kind)) + "\n\n";
  page += "Severity: " + std::string(name_of(default_severity(detector.kind))) + ", unless the finding says otherwise.\n\n";
  const auto add = [&page](const char* title, std::string_view text) {
    page += "**" + std::string(title) + "** " + std::string(text) + "\n\n";
  };
  page += "> " + example.sentence + "\n>\n> (`" + example.scenario + "`)\n\n";
  add("What it means.", detector.page.means);
  add("What is needed to see it.", detector.page.needs);
  add("How it can be wrong.", detector.page.errs);
  add("What to do next.", detector.page.next);
  page.pop_back();  // one blank line before the next heading is that heading's
}

}  // namespace

std::string findings_page(const std::function<FindingExample(FindingKind)>& example_of) {
  std::string page = kHead;
  for (const Detector* detector : detectors()) add_section(page, *detector, example_of(detector->kind));
  return page;
}

}  // namespace parallax
