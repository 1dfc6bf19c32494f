// DPDK's environment (EAL): initialised once a process, and only where a port of DPDK is configured.
//
// Called by the thread that wires the process, before any DPDK port is opened. EAL cannot be started a second time, not
// even after a failure. Its warnings go to standard error; nothing below that is shown.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace parallax {

struct EalOptions {
  bool huge_pages = false;
  uint32_t memory_mib = 512;               // without huge pages
  std::vector<std::string> pci_addresses;  // of the configured ports; no other device of the machine is touched
  std::vector<std::string> arguments;      // further EAL arguments, one each
};

// Empty: it runs (perhaps since an earlier call). Otherwise why not, and what would be right.
std::string eal_start(const EalOptions& options);
bool eal_running();
// After the last port was closed. Harmless where it does not run.
void eal_stop();

// The device of a port's source if it is a PCI address such as 0000:3b:00.0 or 3b:00.0,nolock; empty for a virtual device.
std::string pci_address_of(const std::string& device);

// The last lines that EAL and the drivers logged since the last call, joined with "; ": the cause of a failed call.
std::string eal_take_log();

}  // namespace parallax
