// The ports of a configuration, by what the machine has of each.
#pragma once

#include <string>
#include <vector>

#include "parallax/v1/config.pb.h"

namespace parallax {

struct ConfiguredPort {
  std::string name;
  std::string interface;    // of the kernel; empty: none
  std::string pci_address;  // in full, as "0000:3b:00.0"; empty: none
  bool is_dpdk = false;
};

// "0000:3b:00.0" of that or of "3b:00.0"; empty: the device of a DPDK port is none on PCI.
std::string full_pci_address(const std::string& device);

std::vector<ConfiguredPort> configured_ports(const v1::Config& config);

}  // namespace parallax
