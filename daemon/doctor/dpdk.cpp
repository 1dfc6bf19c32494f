// Of what DPDK needs: memory in huge pages, an IOMMU, and cores beside the card.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/doctor/core_list.h"
#include "daemon/doctor/doctor.h"
#include "daemon/run/configured_ports.h"

namespace parallax {
namespace {

constexpr double kBytesPerMbuf = 2304;  // RTE_MBUF_DEFAULT_BUF_SIZE and its header
constexpr int64_t kHugePageKib = 2048;

void examine_huge_pages(const v1::Config& config, const Machine& machine, size_t ports, Chapter& chapter) {
  int64_t free_kib = 0;
  for (const std::string& folder : machine.names_in("/sys/kernel/mm/hugepages")) {
    const std::string path = "/sys/kernel/mm/hugepages/" + folder;
    free_kib += machine.number(path + "/free_hugepages").value_or(0) *
                std::strtoll(folder.substr(folder.find('-') + 1).c_str(), nullptr, 10);
  }
  const auto needed_kib =
      static_cast<int64_t>(static_cast<double>(config.limits().mbufs()) * static_cast<double>(ports) * kBytesPerMbuf / 1024);
  if (free_kib >= needed_kib)
    return chapter.good("huge pages", fmt::format("{} MiB free, {} MiB needed", free_kib / 1024, needed_kib / 1024));
  chapter.wrong("huge pages",
                fmt::format("{} MiB free (a running daemon has its own), {} MiB needed", free_kib / 1024, needed_kib / 1024),
                fmt::format("sysctl -w vm.nr_hugepages={}, and in /etc/sysctl.d for the next start",
                            machine.number("/proc/sys/vm/nr_hugepages").value_or(0) +
                                (needed_kib - free_kib + kHugePageKib - 1) / kHugePageKib));
}

void examine_iommu(const Machine& machine, Chapter& chapter) {
  if (!machine.names_in("/sys/kernel/iommu_groups").empty()) return chapter.good("IOMMU", "is on");
  const bool is_unguarded = machine.text("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode").value_or("") == "Y";
  if (is_unguarded)
    return chapter.look("IOMMU", "is off, and VFIO goes without: the card may write anywhere",
                        "switch VT-d or AMD-Vi on in the firmware");
  chapter.wrong("IOMMU", "is off: VFIO takes no card",
                "switch VT-d or AMD-Vi on in the firmware; intel_iommu=on iommu=pt in GRUB_CMDLINE_LINUX, update-grub, reboot");
}

// The rx workers have the first of the configured cores.
void examine_node(const v1::Config& config, const Machine& machine, const ConfiguredPort& port, Chapter& chapter) {
  const int64_t node = machine.number("/sys/bus/pci/devices/" + port.pci_address + "/numa_node").value_or(-1);
  if (node < 0 || config.workers().cores().empty()) return;
  const std::string list = machine.text(fmt::format("/sys/devices/system/node/node{}/cpulist", node)).value_or("");
  const std::vector<uint32_t> cores = cores_in(list);
  const int rx = std::min<int>(static_cast<int>(config.workers().rx_count()), config.workers().cores_size());
  for (int i = 0; i < rx && !cores.empty(); ++i) {
    const uint32_t core = config.workers().cores(i);
    if (std::find(cores.begin(), cores.end(), core) != cores.end()) continue;
    chapter.look(fmt::format("{} ({})", port.name, port.pci_address),
                 fmt::format("is at NUMA node {}, and rx core {} is not", node, core),
                 fmt::format("choose workers.cores among {}", list));
  }
}

}  // namespace

void examine_dpdk(const v1::Config& config, const Machine& machine, Chapter& chapter) {
  std::vector<ConfiguredPort> ports = configured_ports(config);
  std::erase_if(ports, [](const ConfiguredPort& port) { return !port.is_dpdk; });
  if (ports.empty()) return;
  if (config.eal().huge_pages()) examine_huge_pages(config, machine, ports.size(), chapter);
  std::erase_if(ports, [](const ConfiguredPort& port) { return port.pci_address.empty(); });
  if (ports.empty()) return;
  examine_iommu(machine, chapter);
  for (const ConfiguredPort& port : ports) examine_node(config, machine, port, chapter);
}

}  // namespace parallax
