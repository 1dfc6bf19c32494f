#include "daemon/run/dpdk_access.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace parallax {
namespace {

constexpr const char* kUnitHint = "under systemd the unit opens it with a drop-in (README, \"DPDK devices\")";

// DPDK uses these beside the kernel's driver, which keeps the device.
constexpr const char* kBifurcated[] = {"mlx4_core", "mlx5_core"};
// Without an IOMMU: memory by its physical address, which only root may know.
constexpr const char* kUio[] = {"uio_pci_generic", "igb_uio"};

// Virtual devices over interfaces of the kernel: what must be allowed to open one.
struct VirtualDriver {
  const char* name;
  struct Need {
    unsigned capability;
    const char* name;
  } needs[3];
};
constexpr VirtualDriver::Need kRaw{CAP_NET_RAW, "CAP_NET_RAW"}, kAdmin{CAP_NET_ADMIN, "CAP_NET_ADMIN"};
constexpr VirtualDriver kVirtual[] = {
    {"net_af_packet", {kRaw, kAdmin, kAdmin}},
    {"net_af_xdp", {kRaw, kAdmin, {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}}},
    {"net_tap", {kAdmin, kAdmin, kAdmin}},
};

template <size_t N>
bool is_one_of(const char* const (&names)[N], const std::string& name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string target_name(const std::string& link) {
  std::error_code error;
  return std::filesystem::read_symlink(link, error).filename();
}

DpdkAccess file_access(const std::string& root, const std::string& file, int mode, const char* what) {
  if (::access((root + file).c_str(), mode) == 0) return {};
  if (errno == ENOENT) return {fmt::format("{} is not there: {}; {}", file, what, kUnitHint), true};
  return {fmt::format("{}: {}: it is to belong to a group of the daemon's (a rule of udev); {}", file, std::strerror(errno),
                      kUnitHint),
          true};
}

bool has_capability(unsigned capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  return ::syscall(SYS_capget, &header, sets) == 0 && (sets[capability / 32].effective >> (capability % 32) & 1) != 0;
}

// For what the device writes into: VFIO locks all that DPDK has, and af_packet its ring.
DpdkAccess lockable_memory() {
  rlimit limit{};
  if (has_capability(CAP_IPC_LOCK) || ::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  return {fmt::format(
              "only {} KiB of memory may be locked, and the driver locks what it receives into: LimitMEMLOCK=infinity in a unit, "
              "ulimit -l unlimited",
              limit.rlim_cur >> 10),
          false};
}

DpdkAccess vfio_access(const std::string& device, const std::string& root) {
  const std::string group = target_name(device + "/iommu_group");
  if (group.empty()) return {"it is in no IOMMU group: the machine's IOMMU is off (intel_iommu=on, amd_iommu=on)", false};
  for (const std::string& file : {std::string("/dev/vfio/vfio"), "/dev/vfio/" + group}) {
    if (DpdkAccess found = file_access(root, file, R_OK | W_OK, "VFIO is not loaded (modprobe vfio-pci), or hidden");
        !found.problem.empty())
      return found;
  }
  return lockable_memory();
}

}  // namespace

DpdkAccess virtual_device_access(const std::string& device) {
  for (const VirtualDriver& driver : kVirtual) {
    if (!device.starts_with(driver.name)) continue;
    for (const VirtualDriver::Need& need : driver.needs) {
      if (!has_capability(need.capability))
        return {fmt::format("{} needs {}, which this process does not have; the unit gives CAP_NET_RAW and CAP_NET_ADMIN, and "
                            "others with a drop-in (README, \"DPDK devices\")",
                            driver.name, need.name),
                false};
    }
    return lockable_memory();
  }
  return {};
}

DpdkAccess dpdk_access(const std::string& address, const std::string& root) {
  const std::string device = root + "/sys/bus/pci/devices/" + address;
  const std::string driver = target_name(device + "/driver");
  if (driver == "vfio-pci") return vfio_access(device, root);
  if (is_one_of(kBifurcated, driver))
    return file_access(root, "/dev/infiniband", R_OK | X_OK, "ib_uverbs is not loaded, or hidden");
  if (is_one_of(kUio, driver)) {
    if (::geteuid() == 0) return {};
    return {fmt::format("the driver {} is for root alone: bind it to vfio-pci", driver), true};
  }
  return {fmt::format("{}: dpdk-devbind.py --bind=vfio-pci {}",
                      driver.empty() ? "it has no driver" : "it is the kernel's (" + driver + ")", address),
          false};
}

}  // namespace parallax
