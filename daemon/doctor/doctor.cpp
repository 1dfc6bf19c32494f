#include "daemon/doctor/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "daemon/run/machine_check.h"

namespace parallax {
namespace {

// What the start would stumble over, too.
void examine_configuration(const v1::Config& config, const Machine&, Chapter& chapter) {
  for (const MachineProblem& found : check_machine(config)) {
    const std::string mend = "change it in the configuration, or the machine";
    if (found.weight == MachineProblem::Weight::warning) {
      chapter.look("configuration", found.problem.message, mend);
    } else {
      chapter.wrong("configuration", found.problem.message, mend);
    }
  }
  if (chapter.diagnoses.empty()) chapter.good("configuration", "fits this machine");
}

struct Matter {
  const char* title;
  void (*examine)(const v1::Config&, const Machine&, Chapter&);
};
constexpr std::array kMatters = {Matter{"Configuration", examine_configuration},
                                 Matter{"Ports", examine_ports},
                                 Matter{"DPDK", examine_dpdk},
                                 Matter{"Cores", examine_cores},
                                 Matter{"Clock", examine_clock},
                                 Matter{"Disk", examine_disk}};

std::string_view word_of(Health health) {
  switch (health) {
    case Health::good:
      return "good";
    case Health::look:
      return "look";
    case Health::wrong:
      return "WRONG";
  }
  return "";
}

size_t count(const std::vector<Chapter>& chapters, Health health) {
  size_t sum = 0;
  for (const Chapter& chapter : chapters) {
    sum += static_cast<size_t>(std::count_if(chapter.diagnoses.begin(), chapter.diagnoses.end(),
                                             [&](const Diagnosis& diagnosis) { return diagnosis.health == health; }));
  }
  return sum;
}

}  // namespace

std::vector<Chapter> examine(const v1::Config& config, const Machine& machine) {
  std::vector<Chapter> chapters;
  for (const Matter& matter : kMatters) {
    Chapter chapter{matter.title, {}};
    matter.examine(config, machine, chapter);
    if (!chapter.diagnoses.empty()) chapters.push_back(std::move(chapter));
  }
  return chapters;
}

std::string text_of(const std::vector<Chapter>& chapters) {
  std::string text;
  for (const Chapter& chapter : chapters) {
    text += chapter.title + '\n';
    for (const Diagnosis& diagnosis : chapter.diagnoses) {
      text += fmt::format("  {:<6} {}: {}\n", word_of(diagnosis.health), diagnosis.subject, diagnosis.finding);
      if (!diagnosis.mend.empty()) text += fmt::format("           {}\n", diagnosis.mend);
    }
  }
  return text + fmt::format("{} wrong, {} to look at, {} good.\n", count(chapters, Health::wrong), count(chapters, Health::look),
                            count(chapters, Health::good));
}

bool is_anything_wrong(const std::vector<Chapter>& chapters) { return count(chapters, Health::wrong) > 0; }

}  // namespace parallax
