// What a process needs for a device under DPDK, beyond the device: of a PCI device its driver, and the files in /dev by which
// that is reached (the unit hides those of VFIO with PrivateDevices, as long as no drop-in says otherwise); of a virtual one
// capabilities.
#pragma once

#include <string>

namespace parallax {

struct DpdkAccess {
  std::string problem;    // empty: none that can be seen from outside
  bool is_fatal = false;  // DPDK cannot take the device; else it may be one of a driver that is not known here
};

// `address` in full: "0000:3b:00.0". `root` is where /sys and /dev are, for tests.
DpdkAccess dpdk_access(const std::string& address, const std::string& root = "");
// `device` such as "net_af_packet0,iface=eth1": the capabilities of this process. It may be asked about a daemon that has others.
DpdkAccess virtual_device_access(const std::string& device);

}  // namespace parallax
