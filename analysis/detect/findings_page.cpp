#include "analysis/detect/findings_page.h"

#include <cstdio>
#include <string>
#include <vector>

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
    "one of these fails the fact is told without blame, with the reason. The examples are what the scenario named says.\n\n"
    "Numbers are those of the defaults: the `thresholds` of the configuration set them, and `detectors` turns kinds off or "
    "gives\n"
    "them another severity (see `config/parallax.yaml`).\n";

// 0.2 s, 10 ms
std::string seconds_text(int64_t ns) {
  char text[32];
  const bool is_short = ns < 100'000'000;
  std::snprintf(text, sizeof text, is_short ? "%g ms" : "%g s", static_cast<double>(ns) / (is_short ? 1e6 : 1e9));
  return text;
}

struct NamedThreshold {
  std::string name;     // as in the rows
  std::string setting;  // as in the configuration
  std::string value;    // unless configured
};

const std::vector<NamedThreshold>& named_thresholds() {
  static const std::vector<NamedThreshold> all = {
#define SECONDS(name, ns) {#name, #name "_seconds", seconds_text(ns)},
#define NUMBER(name, number) {#name, #name, std::to_string(number)},
#include "analysis/model/thresholds.def"
#undef NUMBER
#undef SECONDS
  };
  return all;
}

std::string with_values(std::string_view text) {
  std::string out(text);
  for (const NamedThreshold& threshold : named_thresholds()) {
    const std::string place = '{' + threshold.name + '}';
    for (size_t at; (at = out.find(place)) != std::string::npos;) out.replace(at, place.size(), threshold.value);
  }
  return out;
}

std::string severity_text(const Detector& detector) {
  std::string text(name_of(detector.severity));
  for (const SeverityRule& rule : detector.other_severities) {
    if (!rule.when.empty()) text += "; " + std::string(name_of(rule.severity)) + ' ' + with_values(rule.when);
  }
  return text + '.';
}

// Which thresholds move it; empty: none.
std::string settings_text(const Detector& detector) {
  const std::string prefix = std::string(name_of(detector.kind)) + '_';
  std::string text;
  for (const NamedThreshold& threshold : named_thresholds()) {
    if (threshold.name.starts_with(prefix))
      text += (text.empty() ? "`" : ", `") + threshold.setting + "` (" + threshold.value + ')';
  }
  return text;
}

std::string next_text(const DetectorPage& page) {
  if (!page.next.empty()) return std::string(page.next);
  std::string text;
  for (const auto& [place, next] :
       {std::pair("Between two points", page.next_between), std::pair("Beyond a point", page.next_beyond),
        std::pair("At an unknown place", page.next_unknown)})
    text += (text.empty() ? "*" : " *") + std::string(place) + ":* " + std::string(next);
  return text;
}

void add_section(std::string& page, const Detector& detector, const FindingExample& example) {
  page += "\n## " + std::string(name_of(detector.kind)) + "\n\n";
  page += "Severity: " + severity_text(detector) + "\n\n";
  const auto add = [&page](const char* title, std::string_view text) {
    page += "**" + std::string(title) + "** " + with_values(text) + "\n\n";
  };
  page += "> " + example.sentence + "\n>\n> (`" + example.scenario + "`)\n\n";
  add("What it means.", detector.page.means);
  add("What is needed to see it.", detector.page.needs);
  add("How it can be wrong.", detector.page.errs);
  add("What to do next.", next_text(detector.page));
  if (const std::string settings = settings_text(detector); !settings.empty()) add("Thresholds.", settings + '.');
  page.pop_back();  // one blank line before the next heading is that heading's
}

}  // namespace

std::string findings_page(const std::function<FindingExample(FindingKind)>& example_of) {
  std::string page = kHead;
  for (const Detector* detector : detectors()) add_section(page, *detector, example_of(detector->kind));
  return page;
}

}  // namespace parallax
