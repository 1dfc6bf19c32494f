#include "capture/source/longest_frame.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace parallax {
namespace {

constexpr uint32_t kHeaderAndTags = 14 + 2 * 4;
constexpr uint32_t kIpMax = 65'535;

bool is_on(int descriptor, ifreq request, uint32_t command) {
  ethtool_value value{command, 0};
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (ioctl(descriptor, SIOCETHTOOL, &request) != 0) return false;
  return command == ETHTOOL_GFLAGS ? (value.data & ETH_FLAG_LRO) != 0 : value.data != 0;
}

}  // namespace

uint32_t longest_frame(const std::string& interface) {
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  interface.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  uint32_t longest = kIpMax;
  if (descriptor >= 0 && ioctl(descriptor, SIOCGIFMTU, &request) == 0) {
    const std::array<uint32_t, 4> joining{ETHTOOL_GGRO, ETHTOOL_GFLAGS, ETHTOOL_GTSO, ETHTOOL_GGSO};
    const bool joins =
        std::any_of(joining.begin(), joining.end(), [&](uint32_t command) { return is_on(descriptor, request, command); });
    if (!joins) longest = static_cast<uint32_t>(request.ifr_mtu);
  }
  if (descriptor >= 0) close(descriptor);
  return longest + kHeaderAndTags;
}

}  // namespace parallax
