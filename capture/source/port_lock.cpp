#include "capture/source/port_lock.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace parallax {
namespace {

// Who holds it: the process that listens. Empty: not to be found out.
std::string holder(const sockaddr_un& name, socklen_t length) {
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return {};
  ucred peer{};
  socklen_t size = sizeof(peer);
  const bool known = connect(descriptor, reinterpret_cast<const sockaddr*>(&name), length) == 0 &&
                     getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  close(descriptor);
  return known && peer.pid > 0 ? "process " + std::to_string(peer.pid) : std::string{};
}

}  // namespace

Result<PortLock> PortLock::take(const std::string& device) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string text = "parallax/port/" + device;
  const size_t count = std::min(text.size(), sizeof(name.sun_path) - 1);
  std::memcpy(name.sun_path + 1, text.data(), count);  // the leading zero: not in the file system
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + count);

  PortLock lock(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (lock.descriptor_ < 0) return Error{device + ": no socket for its lock: " + std::strerror(errno)};
  if (bind(lock.descriptor_, reinterpret_cast<const sockaddr*>(&name), length) == 0 && listen(lock.descriptor_, 16) == 0)
    return lock;
  if (errno != EADDRINUSE) return Error{device + ": cannot be locked: " + std::strerror(errno)};
  const std::string by = holder(name, length);
  if (by == "process " + std::to_string(getpid()))
    return Error{device + " is already used by another port of this configuration"};
  return Error{device + " is already in use by another Parallax" + (by.empty() ? "" : " (" + by + ")") + ": stop it first"};
}

PortLock::PortLock(PortLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

PortLock& PortLock::operator=(PortLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

PortLock::~PortLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace parallax
