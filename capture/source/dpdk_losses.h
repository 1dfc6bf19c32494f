// What a DPDK port lost: its driver's counters, and those of the kernel where the driver does not tell.
//
// Owned by a DpdkSource, one thread. The af_packet driver reports no loss while its socket loses, tap neither, and af_xdp
// not all: there the socket or the interface is asked, and only what the driver did not tell is added.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "capture/core/packet_source.h"

namespace parallax {

class DpdkLosses {
 public:
  DpdkLosses() = default;
  DpdkLosses(DpdkLosses&& other) noexcept;
  DpdkLosses& operator=(DpdkLosses&& other) noexcept;
  ~DpdkLosses();

  // Sockets of this process that capture from `interface`, but those in `not_these` (found before the port was made).
  static std::vector<int> packet_sockets(const std::string& interface, const std::vector<int>& not_these = {});

  // Starts counting from now. `interface`: of a virtual device on one, else empty.
  void start(uint16_t port_id, const std::string& driver, const std::string& interface, std::vector<int> sockets);

  // Reads all counters; what came since the last call is in losses(), without times.
  void read();
  const std::vector<SourceLoss>& losses() const { return losses_; }

 private:
  void read_driver();
  void add(DropReason reason, uint64_t count);

  uint16_t port_id_ = 0;
  struct {
    uint64_t missed = 0, errors = 0, no_buffer = 0;
  } former_;
  std::vector<int> sockets_;    // owned by the driver
  int interface_counter_ = -1;  // a counter in /sys/class/net, kept open
  uint64_t interface_start_ = 0, missed_start_ = 0;
  uint64_t interface_told_ = 0;     // lost by the interface beyond what the driver told
  std::vector<SourceLoss> losses_;  // room for all kinds is taken at start
};

}  // namespace parallax
