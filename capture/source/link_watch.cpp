#include "capture/source/link_watch.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <optional>

namespace parallax {
namespace {

constexpr int64_t kFlagsLateNs = 2'000'000'000;

std::optional<uint64_t> number_in(int descriptor) {
  char text[32];
  const ssize_t length = descriptor < 0 ? -1 : pread(descriptor, text, sizeof(text), 0);
  uint64_t value = 0;
  if (length <= 0 || std::from_chars(text, text + length, value).ec != std::errc{}) return std::nullopt;
  return value;
}

bool flags_say_up(int socket, const std::string& interface) {
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  constexpr int kUp = IFF_UP | IFF_RUNNING;
  return ioctl(socket, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & kUp) == kUp;
}

}  // namespace

LinkWatch::LinkWatch(const std::string& interface) : interface_(interface) {
  if (interface_.empty()) return;
  socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  open_counters();
}

LinkWatch::~LinkWatch() {
  close_counters();
  if (socket_ >= 0) close(socket_);
}

void LinkWatch::open_counters() {
  const std::string folder = "/sys/class/net/" + interface_;
  ups_file_ = ::open((folder + "/carrier_up_count").c_str(), O_RDONLY | O_CLOEXEC);
  downs_file_ = ::open((folder + "/carrier_down_count").c_str(), O_RDONLY | O_CLOEXEC);
  const std::optional<uint64_t> ups = number_in(ups_file_), downs = number_in(downs_file_);
  if (!ups || !downs) return close_counters();
  ups_ = *ups;
  downs_ = *downs;
  carrier_ = flags_say_up(socket_, interface_);
}

void LinkWatch::close_counters() {
  for (int* file : {&ups_file_, &downs_file_}) {
    if (*file >= 0) close(*file);
    *file = -1;
  }
}

LinkWatch::Link LinkWatch::look(int64_t now_ns) {
  if (socket_ < 0) return Link::up;
  const bool up = flags_say_up(socket_, interface_);
  if (downs_file_ < 0) {
    if (up) open_counters();
    return up ? Link::up : Link::down;
  }
  const std::optional<uint64_t> ups = number_in(ups_file_), downs = number_in(downs_file_);
  if (!ups || !downs) {  // the interface has gone, and perhaps another has its name now
    close_counters();
    return Link::down;
  }
  const bool changed = *ups != ups_ || *downs != downs_;
  if (changed) {
    carrier_ = (carrier_ ? 1 : 0) + static_cast<int64_t>(*ups - ups_) - static_cast<int64_t>(*downs - downs_) > 0;
    ups_ = *ups;
    downs_ = *downs;
    changed_ns_ = now_ns;
  } else if (now_ns - changed_ns_ > kFlagsLateNs) {
    carrier_ = up;
  }
  if (!carrier_ || (!up && !changed)) return Link::down;
  return changed ? Link::was_down : Link::up;
}

unsigned LinkWatch::interface_index() const { return if_nametoindex(interface_.c_str()); }

}  // namespace parallax
