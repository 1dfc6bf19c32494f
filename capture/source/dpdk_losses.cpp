#include "capture/source/dpdk_losses.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace parallax {
namespace {

bool captures_from(int descriptor, unsigned interface_index) {
  int domain = 0;
  socklen_t size = sizeof(domain);
  if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_PACKET) return false;
  sockaddr_ll address{};
  size = sizeof(address);
  return getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
         static_cast<unsigned>(address.sll_ifindex) == interface_index;
}

// A number in a file of sysfs; 0 where it cannot be read any more (the interface has gone).
uint64_t counter_in(int descriptor) {
  char text[32];
  const ssize_t length = pread(descriptor, text, sizeof(text), 0);
  uint64_t value = 0;
  if (length > 0) std::from_chars(text, text + length, value);
  return value;
}

}  // namespace

DpdkLosses::DpdkLosses(DpdkLosses&& other) noexcept { *this = std::move(other); }

DpdkLosses& DpdkLosses::operator=(DpdkLosses&& other) noexcept {
  std::swap(port_id_, other.port_id_);
  std::swap(former_, other.former_);
  std::swap(sockets_, other.sockets_);
  std::swap(interface_counter_, other.interface_counter_);
  std::swap(interface_start_, other.interface_start_);
  std::swap(missed_start_, other.missed_start_);
  std::swap(interface_told_, other.interface_told_);
  std::swap(losses_, other.losses_);
  return *this;
}

DpdkLosses::~DpdkLosses() {
  if (interface_counter_ >= 0) close(interface_counter_);
}

std::vector<int> DpdkLosses::packet_sockets(const std::string& interface, const std::vector<int>& not_these) {
  std::vector<int> found;
  const unsigned index = if_nametoindex(interface.c_str());
  DIR* folder = index == 0 ? nullptr : opendir("/proc/self/fd");
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    const int descriptor = std::atoi(entry->d_name);
    const bool known = std::find(not_these.begin(), not_these.end(), descriptor) != not_these.end();
    if (!known && captures_from(descriptor, index)) found.push_back(descriptor);
  }
  closedir(folder);
  return found;
}

void DpdkLosses::start(uint16_t port_id, const std::string& driver, const std::string& interface, std::vector<int> sockets) {
  port_id_ = port_id;
  sockets_ = std::move(sockets);
  losses_.reserve(5);
  const char* counter = driver == "net_af_xdp" ? "rx_dropped" : driver == "net_tap" ? "tx_dropped" : nullptr;
  if (counter != nullptr && !interface.empty()) {
    interface_counter_ = ::open(("/sys/class/net/" + interface + "/statistics/" + counter).c_str(), O_RDONLY | O_CLOEXEC);
    if (interface_counter_ >= 0) interface_start_ = counter_in(interface_counter_);
  }
  read();
  missed_start_ = former_.missed;
  interface_told_ = 0;
  losses_.clear();
}

void DpdkLosses::add(DropReason reason, uint64_t count) {
  if (count > 0) losses_.push_back({reason, count, 0, 0});
}

void DpdkLosses::read() {
  losses_.clear();
  read_driver();
  uint64_t socket_drops = 0;
  for (const int descriptor : sockets_) {
    // Reading sets it to zero (packet(7)).
    tpacket_stats_v3 statistics{};
    socklen_t size = sizeof(statistics);
    if (getsockopt(descriptor, SOL_PACKET, PACKET_STATISTICS, &statistics, &size) == 0) socket_drops += statistics.tp_drops;
  }
  add(DropReason::socket, socket_drops);
  if (interface_counter_ >= 0) {
    const uint64_t interface = counter_in(interface_counter_) - interface_start_;
    const uint64_t known = former_.missed - missed_start_ + interface_told_;
    if (interface > known && interface < UINT64_MAX / 2) {
      add(DropReason::socket, interface - known);
      interface_told_ += interface - known;
    }
  }
}

void DpdkLosses::read_driver() {
  rte_eth_stats statistics{};
  if (rte_eth_stats_get(port_id_, &statistics) != 0) return;
  const auto since = [](uint64_t now, uint64_t& former) {
    const uint64_t more = now > former ? now - former : 0;
    former = now;
    return more;
  };
  add(DropReason::nic, since(statistics.imissed, former_.missed) + since(statistics.ierrors, former_.errors));
  add(DropReason::mbuf, since(statistics.rx_nombuf, former_.no_buffer));
}

}  // namespace parallax
