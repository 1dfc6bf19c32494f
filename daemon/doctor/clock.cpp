// Of the clock that packets are stamped by.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "daemon/doctor/doctor.h"

namespace parallax {
namespace {

constexpr const char* kFolder = "/sys/devices/system/clocksource/clocksource0";
// Read in nanoseconds, without leaving the process.
constexpr std::array<std::string_view, 3> kFast = {"tsc", "kvm-clock", "arch_sys_counter"};
constexpr int64_t kErrorMostUs = 100'000;

void examine_source(const Machine& machine, Chapter& chapter) {
  const std::optional<std::string> source = machine.text(std::string(kFolder) + "/current_clocksource");
  if (!source) return;
  if (std::find(kFast.begin(), kFast.end(), *source) != kFast.end()) return chapter.good("clock source", "is " + *source);
  const bool has_tsc =
      (' ' + machine.text(std::string(kFolder) + "/available_clocksource").value_or("") + ' ').find(" tsc ") != std::string::npos;
  chapter.wrong("clock source",
                fmt::format("is {}: a time takes a microsecond to read, and every burst of packets reads one", *source),
                has_tsc ? fmt::format("echo tsc > {}/current_clocksource", kFolder)
                        : "look in the kernel's log why tsc is not among the clock sources");
}

}  // namespace

void examine_clock(const v1::Config&, const Machine& machine, Chapter& chapter) {
  examine_source(machine, chapter);
  const std::optional<ClockFacts> clock = machine.clock();
  if (!clock) return;
  const bool has_card_clock = !machine.names_in("/sys/class/ptp").empty();
  if (!clock->is_synchronised) {
    return chapter.look(
        "time",
        "nothing keeps the system's clock: times are not those of other machines, and the first correction will be a step",
        has_card_clock ? "apt install chrony; or linuxptp, for a card has a clock of its own (/dev/ptp0)" : "apt install chrony");
  }
  if (clock->error_most_us > kErrorMostUs)
    return chapter.look("time", fmt::format("is kept, to {} ms at the best", clock->error_most_us / 1000),
                        "nearer servers in /etc/chrony/chrony.conf");
  chapter.good("time", fmt::format("is kept, to {} us or better", clock->error_most_us));
}

}  // namespace parallax
