// Of the cores that the workers are to have to themselves.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "daemon/doctor/core_list.h"
#include "daemon/doctor/doctor.h"

namespace parallax {
namespace {

std::string folder_of(uint32_t core) { return fmt::format("/sys/devices/system/cpu/cpu{}", core); }

void examine_governor(const Machine& machine, uint32_t core, std::set<std::string>& slow) {
  const std::optional<std::string> governor = machine.text(folder_of(core) + "/cpufreq/scaling_governor");
  if (governor && *governor != "performance") slow.insert(*governor);
}

// Two workers on the two threads of one core have half of it each.
void examine_siblings(const Machine& machine, const std::vector<uint32_t>& cores, Chapter& chapter) {
  for (const uint32_t core : cores) {
    for (const uint32_t other : cores_in(machine.text(folder_of(core) + "/topology/thread_siblings_list").value_or(""))) {
      if (other <= core || std::find(cores.begin(), cores.end(), other) == cores.end()) continue;
      chapter.look("workers.cores", fmt::format("{} and {} are two threads of one core", core, other), "choose one of each pair");
    }
  }
}

}  // namespace

void examine_cores(const v1::Config& config, const Machine& machine, Chapter& chapter) {
  std::vector<uint32_t> cores(config.workers().cores().begin(), config.workers().cores().end());
  std::sort(cores.begin(), cores.end());
  cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
  const uint32_t workers = config.workers().count() + config.workers().rx_count(), has = machine.cores();
  if (has <= workers) {
    chapter.look(
        "cores",
        fmt::format("{} for {} workers, the correlator and all else: under load they wait for one another", has, workers),
        "fewer workers, or a machine with more cores");
  } else {
    chapter.good("cores", fmt::format("{} for {} workers", has, workers));
  }
  std::set<std::string> slow;
  for (uint32_t core = 0; core < has && cores.empty(); ++core) examine_governor(machine, core, slow);
  for (const uint32_t core : cores) examine_governor(machine, core, slow);
  for (const std::string& governor : slow)
    chapter.look("frequency", fmt::format("the governor is {}: a core that polls is slow to speed up after a pause", governor),
                 "cpupower frequency-set -g performance");
  if (cores.empty()) return;
  examine_siblings(machine, cores, chapter);
  const std::vector<uint32_t> isolated = cores_in(machine.text("/sys/devices/system/cpu/isolated").value_or(""));
  std::string shared;
  for (const uint32_t core : cores) {
    if (std::find(isolated.begin(), isolated.end(), core) == isolated.end())
      shared += fmt::format("{}{}", shared.empty() ? "" : ",", core);
  }
  if (shared.empty()) return chapter.good("workers.cores", "are kept free of other work");
  chapter.look("workers.cores", fmt::format("the kernel may run other work on {}", shared),
               fmt::format("isolcpus={0} nohz_full={0} rcu_nocbs={0} in GRUB_CMDLINE_LINUX, update-grub, reboot", shared));
}

}  // namespace parallax
